//! What somebody asks, analysed.

use crate::analyse;

/// A query longer than this many distinct terms is cut: it is a pasted log, and its first terms say
/// what it is about.
const MAX_TERMS: usize = 64;

/// The distinct terms of a query. Every text is a legal query; one without a letter or digit has no
/// terms and finds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms(Vec<String>);

impl Terms {
    /// Analyses `text`. Words that say nothing are left out, unless there are no others.
    pub fn parse(text: &str) -> Self {
        let mut telling: Vec<String> = Vec::new();
        let mut all: Vec<String> = Vec::new();
        analyse::terms(text, |term| {
            let into = if analyse::is_stop_word(term) { &mut all } else { &mut telling };
            if into.len() < MAX_TERMS && !into.iter().any(|known| known == term) {
                into.push(term.to_owned());
            }
        });
        Self(if telling.is_empty() { all } else { telling })
    }

    /// The terms, in the order of the query.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
