//! From a ranked chunk to what is shown of it: all of it, or the lines of it that fit. Pure.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use lectern_index::analyse;
use lectern_index::chunk::Hash;
use lectern_index::citation;
use lectern_index::fuse::Ranked;
use lectern_index::head::Head;
use lectern_index::query::Terms;

use crate::answer::Hit;
use crate::budget::Budget;

/// How much is said about a passage. Small budgets go to the passage itself; what they leave out
/// can be had by the same call with a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// As `Bare`, without the commits of the sources: where names alone would fill the answer.
    Least,
    /// Source, path, lines, content and hash: enough to cite and check it.
    Bare,
    /// The headings and the score as well.
    Lean,
    /// Everything.
    Full,
}

/// A ranked chunk with its source's head and its lines.
pub struct Passage<'a> {
    ranked: &'a Ranked,
    head: &'a Head,
    lines: Vec<&'a str>,
}

impl<'a> Passage<'a> {
    /// A passage; `head` is its source's.
    pub fn new(ranked: &'a Ranked, head: &'a Head) -> Self {
        Self { ranked, head, lines: ranked.chunk.chunk.text.split_inclusive('\n').collect() }
    }

    /// Its source's head.
    pub fn head(&self) -> &'a Head {
        self.head
    }

    /// The whole passage.
    pub fn whole(&self, detail: Detail, budget: &Budget) -> Hit {
        self.part(0..self.lines.len(), detail, budget)
    }

    /// Some of its lines, counted from 0. Lines, content, tokens and hash describe these alone.
    pub fn part(&self, shown: Range<usize>, detail: Detail, budget: &Budget) -> Hit {
        let stored = &self.ranked.chunk;
        let chunk = &stored.chunk;
        let content = self.lines[shown.clone()].concat();
        let start_line = chunk.start_line + shown.start as u32;
        let end_line = start_line + (shown.len() as u32).saturating_sub(1);
        let full = detail == Detail::Full;
        let cut = shown.len() < self.lines.len();
        Hit {
            source: stored.source.to_string(),
            path: stored.path.clone(),
            title: full.then(|| stored.title.clone()),
            heading_path: (detail >= Detail::Lean).then(|| chunk.heading_path.clone()),
            anchor: full.then(|| chunk.anchor.clone()),
            url: full.then(|| citation::url(self.head, &stored.path, chunk.anchor.as_deref())),
            permalink: full.then(|| citation::permalink(self.head, &stored.path, start_line, end_line)),
            start_line,
            end_line,
            passage_lines: cut.then(|| format!("{}-{}", chunk.start_line, chunk.end_line)),
            tokens: budget.count(&content),
            score: (detail >= Detail::Lean)
                .then(|| (f64::from(self.ranked.score) * 10_000.0).round() / 10_000.0),
            content_hash: Hash::of(content.as_bytes()).to_string(),
            content,
        }
    }

    /// The lines that tell most about `terms` among those that fit into `room` tokens together, by
    /// estimate, from the beginning of a paragraph if possible; `None` where no line that says
    /// something fits.
    pub fn window(&self, room: usize, terms: &Terms, budget: &Budget) -> Option<Range<usize>> {
        let costs: Vec<usize> = self.lines.iter().map(|line| budget.line(line)).collect();
        let matches: Vec<HashSet<String>> = self.lines.iter().map(|line| matched(line, terms)).collect();
        let mut best: Option<((usize, bool, usize), Range<usize>)> = None;
        let (mut end, mut sum) = (0, 0);
        for start in 0..self.lines.len() {
            if end < start {
                (end, sum) = (start, 0);
            }
            while end < self.lines.len() && sum + costs[end] <= room {
                sum += costs[end];
                end += 1;
            }
            if self.says_something(start..end) {
                let found: HashSet<&String> = matches[start..end].iter().flatten().collect();
                let worth = (found.len(), self.begins_paragraph(start), sum);
                if best.as_ref().is_none_or(|(known, _)| worth > *known) {
                    best = Some((worth, start..end));
                }
            }
            sum = sum.saturating_sub(costs[start]);
        }
        best.map(|(_, window)| window)
    }

    /// Whether these of its lines hold more than headings, fences, tags and blanks.
    pub fn says_something(&self, lines: Range<usize>) -> bool {
        self.lines[lines].iter().any(|line| {
            !line.trim_start().starts_with(['#', '`', '~']) && bare(line).chars().any(char::is_alphanumeric)
        })
    }

    fn begins_paragraph(&self, line: usize) -> bool {
        let blank = |line: usize| self.lines[line].trim().is_empty();
        !blank(line) && (line == 0 || blank(line - 1))
    }

    /// Number of its lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no line at all.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The terms of `line` that are sought.
fn matched(line: &str, terms: &Terms) -> HashSet<String> {
    let mut found = HashSet::new();
    analyse::terms(&bare(line), |term| {
        if terms.as_slice().iter().any(|sought| sought == term) {
            found.insert(term.to_owned());
        }
    });
    found
}

/// What a line of markup says to a reader: all but its tags and comments.
fn bare(line: &str) -> Cow<'_, str> {
    if !line.trim_start().starts_with('<') {
        return Cow::Borrowed(line);
    }
    let said = line.split('<').map(|piece| piece.split_once('>').map_or("", |(_, said)| said));
    Cow::Owned(said.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use lectern_index::chunk::{Chunk, ChunkId};
    use lectern_index::document::{BlobSha, SourceName};
    use lectern_index::fingerprint::Fingerprint;
    use lectern_index::head::Repository;
    use lectern_index::search::StoredChunk;

    pub(crate) fn head(source: &str, github: bool) -> Head {
        Head {
            source: SourceName::parse(source).expect("a good name"),
            generation: 3,
            commit: github.then(|| "0123456789abcdef0123456789abcdef01234567".into()),
            repository: github.then(|| Repository {
                url: "https://github.com/example/handbook".into(),
                path: "content/en/docs".into(),
            }),
            version: github.then(|| "v1.2".into()),
            url_template: github.then(|| "https://docs.example.org/{slug}/".into()),
            indexed_at: "2026-11-21T01:33:00Z".into(),
            checked_at: "2026-11-21T01:33:00Z".into(),
            commits_behind: github.then_some(3),
            documents: 1,
            chunks: 1,
        }
    }

    pub(crate) fn ranked(source: &str, number: usize, text: &str, start_line: u32) -> Ranked {
        let source = SourceName::parse(source).expect("a good name");
        let path = format!("guides/chapter-{number}/understanding-it.md");
        let id = ChunkId::derive(
            &source,
            &path,
            &BlobSha::of(text.as_bytes()),
            &Fingerprint::from_stored("0"),
            number as u32,
        );
        let lines = text.split_inclusive('\n').count() as u32;
        Ranked {
            score: 1.0 / (number + 1) as f32,
            chunk: StoredChunk {
                id,
                source,
                path,
                title: Some("Understanding ownership".into()),
                chunk: Chunk {
                    ordinal: number as u32,
                    start_byte: 0,
                    end_byte: text.len() as u32,
                    start_line,
                    end_line: start_line + lines.saturating_sub(1),
                    heading_path: vec!["Understanding ownership".into(), "What it is".into()],
                    anchor: Some("what-it-is".into()),
                    tokens: 100,
                    context: String::new(),
                    text: text.into(),
                },
            },
        }
    }

    #[test]
    fn a_part_describes_what_it_shows() {
        let (head, budget) = (head("docs", true), Budget::new(1000));
        let ranked = ranked("docs", 0, "# Title\n\nFirst line.\nSecond line.\n", 10);
        let hit = Passage::new(&ranked, &head).part(2..3, Detail::Full, &budget);
        assert_eq!((hit.start_line, hit.end_line, hit.content.as_str()), (12, 12, "First line.\n"));
        assert_eq!(hit.passage_lines.as_deref(), Some("10-13"));
        assert_eq!(hit.content_hash, Hash::of(b"First line.\n").to_string());
        assert_eq!(hit.tokens, budget.count("First line.\n"));
        let permalink = hit.permalink.flatten().expect("a repository has one");
        assert!(permalink.ends_with("understanding-it.md#L12"), "{permalink}");
    }

    #[test]
    fn the_window_holds_what_is_sought() {
        let (head, budget) = (head("docs", false), Budget::new(1000));
        let text = "# Title\n\nSomething else entirely, at some length.\n\nA value is dropped at the end of its scope.\n\nMore words.\n";
        let ranked = ranked("docs", 0, text, 1);
        let passage = Passage::new(&ranked, &head);
        let terms = Terms::parse("when is a value dropped");
        let window = passage.window(18, &terms, &budget).expect("a line fits");
        assert!(passage.lines[window.clone()].concat().contains("dropped"), "{window:?}");
        assert_eq!(passage.window(2, &terms, &budget), None);
        let tag = "<!-- dropped value -->\n<a id=\"when-a-value-is-dropped\"></a>\n\nWords go on\nuntil it is dropped.\n\nThe value goes.\n";
        let tagged = super::tests::ranked("docs", 0, tag, 1);
        let passage = Passage::new(&tagged, &head);
        assert!(!passage.says_something(0..3) && passage.says_something(0..4));
        let window = passage.window(11, &terms, &budget).expect("a line fits");
        assert_eq!(passage.lines[window].concat(), "Words go on\nuntil it is dropped.\n\n");
        assert_eq!(passage.window(1000, &terms, &budget), Some(0..7));
    }
}
