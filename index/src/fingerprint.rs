//! What decides the whole index: two indexes with equal fingerprints and equal documents are equal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chunk::Hash;

/// Raised when the chunker or the analyser gives other results for equal input.
///
/// Too low after such a change: old and new chunks mix. Raised without need: everybody's next
/// sync rebuilds the whole index.
pub const CHUNKER_VERSION: u32 = 1;

/// Raised when what is stored of a chunk or document changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// What decides a text's vector: provider, model, dimensions, prefixes.
///
/// Vectors are cached by (embedder id, text hash), and two vectors are compared only under one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmbedderId(String);

impl EmbedderId {
    /// Names an embedder. `prefixes` is what the model wants before a document and before a
    /// query (empty for most).
    pub fn new(provider: &str, model: &str, dimensions: u32, prefixes: (&str, &str)) -> Self {
        let prefixes = match prefixes {
            ("", "") => String::new(),
            (document, query) => format!(":{document:?}:{query:?}"),
        };
        Self(format!("{provider}:{model}:{dimensions}{prefixes}"))
    }

    /// Reads an id that was stored.
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmbedderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How documents are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSettings {
    /// The cap on the tokens of a chunk's searchable text.
    pub max_tokens: u32,
    /// Tokens of the preceding text repeated in the searchable text; 0 for none.
    pub overlap_tokens: u32,
    /// The tokenizer that counts: `cl100k_base`, `o200k_base`, or a local model's.
    pub tokenizer: String,
}

/// Embedder id + chunk settings + chunker and schema version, as 16 hex digits of a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Computes the fingerprint; `embedder` is `None` in lexical mode.
    pub fn of(embedder: Option<&EmbedderId>, chunk: &ChunkSettings) -> Self {
        let described = format!(
            "embedder={:?} max_tokens={} overlap={} tokenizer={:?} chunker={CHUNKER_VERSION} schema={SCHEMA_VERSION}",
            embedder.map(EmbedderId::as_str),
            chunk.max_tokens,
            chunk.overlap_tokens,
            chunk.tokenizer,
        );
        Self(Hash::of(described.as_bytes()).to_string()[..16].to_owned())
    }

    /// Reads a fingerprint that was stored.
    pub fn from_stored(fingerprint: impl Into<String>) -> Self {
        Self(fingerprint.into())
    }

    /// The 16 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
