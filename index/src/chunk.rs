//! A chunk: a contiguous span of a document, at most `max_tokens` long, under one heading path.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::document::{BlobSha, SourceName};
use crate::fingerprint::Fingerprint;

/// Most headings of a path. No document has as many but in quotes and lists within each other, where
/// without a bound the paths of its chunks would multiply its size.
pub const MAX_HEADINGS: usize = 16;

/// One chunk of a document.
///
/// The spans (`start_byte..end_byte`) of a document's chunks, in order of `ordinal`, tile the
/// document behind its front matter byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Place among the document's chunks, from 0, without gaps.
    pub ordinal: u32,
    /// First byte of the span in the file.
    pub start_byte: u32,
    /// One past the last byte of the span in the file.
    pub end_byte: u32,
    /// Line of the first byte, from 1. Lines end at `\n`.
    pub start_line: u32,
    /// Line of the last byte, from 1.
    pub end_line: u32,
    /// Texts of the headings from the outermost to the deepest one that contains the whole span;
    /// empty where none does. The deepest [`MAX_HEADINGS`] of them.
    pub heading_path: Vec<String>,
    /// The deepest heading's anchor on a published page: its `{#id}`, else GitHub's slug,
    /// deduplicated within the document. `None` where `heading_path` is empty.
    pub anchor: Option<String>,
    /// Tokens of the searchable text ([`Chunk::searchable`]), counted exactly with the
    /// embedder's tokenizer.
    pub tokens: u32,
    /// What the searchable text has before the span: breadcrumb of title and headings, overlap
    /// if configured, and the header rows of a table that began in an earlier chunk. Never the path.
    pub context: String,
    /// The span itself: exactly the bytes of the file.
    pub text: String,
}

impl Chunk {
    /// The text that is embedded and whose tokens are capped: context, then span.
    pub fn searchable(&self) -> String {
        let mut text = String::with_capacity(self.context.len() + self.text.len());
        text.push_str(&self.context);
        text.push_str(&self.text);
        text
    }

    /// SHA-256 of the span: what a citation carries, so that anybody can check it.
    pub fn content_hash(&self) -> Hash {
        Hash::of(self.text.as_bytes())
    }

    /// SHA-256 of the searchable text: with the embedder id, the key of its vector.
    pub fn text_hash(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(self.context.as_bytes());
        hasher.update(self.text.as_bytes());
        Hash(hasher.finalize().into())
    }
}

/// A SHA-256; shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The raw 32 bytes, as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what [`Hash::as_bytes`] gave; `None` unless there are 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The namespace of chunk ids, itself UUIDv5 of the DNS name `chunk.lectern` (RFC 9562, 5.5).
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"chunk.lectern")
}

/// A chunk's id: UUIDv5 of source, path, blob SHA, fingerprint and ordinal.
///
/// Equal input gives an equal id on any machine at any time; a new version of a document has new
/// ids, so it never overwrites the old one while that is still served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId(Uuid);

impl ChunkId {
    /// Derives the id. Each part is preceded by its length, so no two lists of parts meet.
    pub fn derive(
        source: &SourceName,
        path: &str,
        blob: &BlobSha,
        fingerprint: &Fingerprint,
        ordinal: u32,
    ) -> Self {
        let ordinal = ordinal.to_string();
        let parts = [source.as_str(), path, blob.as_str(), fingerprint.as_str(), &ordinal];
        let mut name = Vec::new();
        for part in parts {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part.as_bytes());
        }
        Self(Uuid::new_v5(&namespace(), &name))
    }

    /// The raw 16 bytes, as they are stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads what [`ChunkId::as_bytes`] gave; `None` unless there are 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
