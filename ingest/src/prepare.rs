//! A document's text to everything the index holds of it.

use lectern_index::chunk::Chunk;
use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;

use crate::{chunk, describe, parse};

/// What a document's text says, ready to be embedded and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Front matter title, else the first level-1 heading, else none (never the path).
    pub title: Option<String>,
    /// Front matter description.
    pub description: Option<String>,
    /// Whether the front matter says that it is a draft.
    pub draft: bool,
    /// Front matter description, else the first paragraph, cut to a few sentences.
    pub summary: Option<String>,
    /// Identifiers in headings, inline code and code blocks, most telling first, at most 20.
    pub entities: Vec<String>,
    /// Lines of the file; they end at `\n`.
    pub lines: u32,
    /// The chunks; none for a document without a body.
    pub chunks: Vec<Chunk>,
}

/// Prepares a document. Equal arguments give equal results on any machine and any thread.
pub fn prepare(text: &str, settings: &ChunkSettings, tokenizer: &Tokenizer) -> Prepared {
    let parsed = parse::parse(text);
    let newlines = text.bytes().filter(|&byte| byte == b'\n').count();
    let unended = !text.is_empty() && !text.ends_with('\n');
    Prepared {
        title: parsed.title().map(str::to_owned),
        summary: describe::summary(text, &parsed),
        entities: describe::entities(text, &parsed),
        lines: newlines as u32 + u32::from(unended),
        chunks: chunk::chunk(text, &parsed, settings, tokenizer),
        description: parsed.front.description,
        draft: parsed.front.draft,
    }
}
