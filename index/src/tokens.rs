//! Counting tokens exactly.

use std::sync::LazyLock;

/// A tokenizer that counts the tokens of a text.
#[derive(Clone)]
pub struct Tokenizer(&'static tiktoken::CoreBpe);

/// Loading the table takes a while, so it happens on first use and once.
static CL100K: LazyLock<Tokenizer> =
    LazyLock::new(|| Tokenizer(tiktoken::get_encoding("cl100k_base").expect("cl100k_base is compiled in")));

impl Tokenizer {
    /// OpenAI's `cl100k_base`: what budgets are counted in, and chunks where no model says otherwise.
    pub fn cl100k() -> Self {
        CL100K.clone()
    }

    /// Number of tokens in `text`, special tokens counted as ordinary text.
    pub fn count(&self, text: &str) -> usize {
        self.0.count(text)
    }
}
