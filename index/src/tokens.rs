//! Counting tokens exactly.
//!
//! Two facts about OpenAI's tokenizers make one pass over a document enough. Both follow from the
//! patterns that cut a text into pieces before any merging (tiktoken, `openai_public.py`), and
//! property tests hold them against tiktoken-rs:
//!
//! * no piece holds a `\n` followed by something that is neither a line break nor white space that
//!   leads to one (o200k: nor a `/`), so counts add up where a non-blank line starts;
//! * no piece holds a character that is not white space followed by white space other than a line
//!   break, so counts add up before the white space behind a word.

mod openai;
mod seen;
#[cfg(feature = "local")]
mod words;

use std::fmt;

/// A tokenizer that counts the tokens of a text. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer(Kind);

#[derive(Clone)]
enum Kind {
    OpenAi(Encoding),
    #[cfg(feature = "local")]
    HuggingFace(std::sync::Arc<HuggingFace>),
}

#[derive(Clone, Copy)]
enum Encoding {
    Cl100k,
    O200k,
}

/// A tokenizer read from a file.
#[cfg(feature = "local")]
struct HuggingFace {
    tokenizer: tokenizers::Tokenizer,
    name: String,
    /// Counts by word, if they add up between words.
    words: Option<words::Words>,
}

/// A `tokenizer.json` that could not be read.
#[cfg(feature = "local")]
#[derive(Debug, thiserror::Error)]
#[error("cannot read the tokenizer {path}: {reason}")]
pub struct BadTokenizer {
    path: String,
    reason: String,
}

impl Tokenizer {
    /// OpenAI's `cl100k_base`: what budgets are counted in, and chunks where no model says otherwise.
    pub fn cl100k() -> Self {
        Self(Kind::OpenAi(Encoding::Cl100k))
    }

    /// OpenAI's `o200k_base`.
    pub fn o200k() -> Self {
        Self(Kind::OpenAi(Encoding::O200k))
    }

    /// The tokenizer of this name, `cl100k_base` or `o200k_base`; `None` for any other.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "cl100k_base" => Some(Self::cl100k()),
            "o200k_base" => Some(Self::o200k()),
            _ => None,
        }
    }

    /// Reads a Hugging Face `tokenizer.json`.
    ///
    /// Its truncation and padding are switched off: with them every text would seem to fit. The
    /// special tokens a model puts around each text are counted, since its limit includes them.
    #[cfg(feature = "local")]
    pub fn from_file(path: &std::path::Path) -> Result<Self, BadTokenizer> {
        let bad = |reason: tokenizers::Error| BadTokenizer {
            path: path.display().to_string(),
            reason: reason.to_string(),
        };
        let bytes = std::fs::read(path).map_err(|error| bad(error.into()))?;
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(&bytes).map_err(bad)?;
        tokenizer.with_truncation(None).map_err(bad)?;
        tokenizer.with_padding(None);
        let name = format!("tokenizer.json:{}", &crate::chunk::Hash::of(&bytes).to_string()[..12]);
        let words = words::Words::of(&tokenizer);
        Ok(Self(Kind::HuggingFace(std::sync::Arc::new(HuggingFace { tokenizer, name, words }))))
    }

    /// Its name: what [`Tokenizer::by_name`] knows, or the file's hash.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::OpenAi(Encoding::Cl100k) => "cl100k_base",
            Kind::OpenAi(Encoding::O200k) => "o200k_base",
            #[cfg(feature = "local")]
            Kind::HuggingFace(read) => &read.name,
        }
    }

    /// What a model reads of `text`: its tokens with the special ones around them, cut at the end
    /// to `limit` in all. Only a tokenizer that was read [from a file](Self::from_file) has ids.
    #[cfg(feature = "local")]
    pub(crate) fn ids(&self, text: &str, limit: usize) -> Result<Vec<u32>, String> {
        use tokenizers::PostProcessor;
        let Kind::HuggingFace(read) = &self.0 else { return Err(format!("{self:?} has no ids")) };
        let tokenizer = &read.tokenizer;
        let special = tokenizer.get_post_processor().map_or(0, |around| around.added_tokens(false));
        let mut encoding = tokenizer.encode_fast(text, false).map_err(|error| error.to_string())?;
        encoding.truncate(limit.saturating_sub(special), 0, tokenizers::TruncationDirection::Right);
        let encoding = tokenizer.post_process(encoding, None, true).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Number of tokens in `text`, special tokens of the text counted as ordinary text.
    pub fn count(&self, text: &str) -> usize {
        match &self.0 {
            Kind::OpenAi(encoding) => openai::count(*encoding, text),
            #[cfg(feature = "local")]
            Kind::HuggingFace(read) => match &read.words {
                Some(words) => words.count(&read.tokenizer, text),
                None => words::count_whole(&read.tokenizer, text, true),
            },
        }
    }

    /// Whether `count(before) + count(after) == count(before + after) + count("")` for every `before`
    /// that is empty or ends with `\n`.
    ///
    /// Looks at the white space that `after` begins with and no further.
    pub fn adds_up_after_newline(&self, after: &str) -> bool {
        match &self.0 {
            Kind::OpenAi(Encoding::Cl100k) => begins_a_line(after),
            Kind::OpenAi(Encoding::O200k) => begins_a_line(after) && !after.starts_with('/'),
            #[cfg(feature = "local")]
            Kind::HuggingFace(read) => read.words.is_some(),
        }
    }

    /// Whether counts add up so at every place between a character that is not white space and
    /// white space other than `\r` and `\n`.
    pub fn adds_up_before_white_space(&self) -> bool {
        match &self.0 {
            Kind::OpenAi(_) => true,
            // White space beyond ASCII may be no more than a character to it.
            #[cfg(feature = "local")]
            Kind::HuggingFace(_) => false,
        }
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::OpenAi(Encoding::Cl100k) => "Tokenizer(cl100k_base)",
            Kind::OpenAi(Encoding::O200k) => "Tokenizer(o200k_base)",
            #[cfg(feature = "local")]
            Kind::HuggingFace(_) => "Tokenizer(tokenizer.json)",
        })
    }
}

/// Whether `text` begins with a line that has something other than white space in it.
pub fn begins_a_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\r' | b'\n' => return false,
            b' ' | b'\t' | 0x0b | 0x0c => at += 1,
            0..0x80 => return true,
            _ => {
                let next = text.get(at..).and_then(|rest| rest.chars().next());
                match next {
                    Some(c) if c.is_whitespace() => at += c.len_utf8(),
                    _ => return true,
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
