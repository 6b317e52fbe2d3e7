//! [`SearchIndex`]: what serve needs of an index. Reads only: there is no writer to reach from here.

use async_trait::async_trait;
use serde::Serialize;

use crate::chunk::{Chunk, ChunkId};
use crate::document::{Document, SourceName};
use crate::fingerprint::{ChunkSettings, EmbedderId, Fingerprint};
use crate::head::Head;
use crate::query::Terms;

/// An index that can be searched.
///
/// Every call sees each source in exactly one generation (invariant 2), and one fingerprint only
/// (invariant 7). Implementations pick up new generations by themselves and reconnect by
/// themselves; a call fails only while the index really cannot be read.
#[async_trait]
pub trait SearchIndex: Send + Sync {
    /// What is served: build, embedder, heads of all sources.
    async fn status(&self) -> Result<Status, ReadError>;

    /// The best chunks for the terms and, where `vector` is given, the nearest ones to it; each
    /// list best first, equal scores by chunk id.
    async fn search(&self, search: &Search) -> Result<Found, ReadError>;

    /// Loads what searches by vector need, where it is not loaded yet, so that they do not wait for
    /// it. Nothing depends on its being called.
    async fn prepare(&self) -> Result<(), ReadError> {
        Ok(())
    }

    /// A document with all its chunks in order; `None` where there is none of that name.
    async fn document(&self, source: &SourceName, path: &str) -> Result<Option<StoredDocument>, ReadError>;

    /// The vectors of a document's chunks, in order, each `None` where the chunk has none (a blank
    /// one); empty where there is no such document or search is lexical.
    async fn vectors(&self, source: &SourceName, path: &str) -> Result<Vec<Option<Vec<f32>>>, ReadError>;

    /// Documents after `after` (exclusive), ordered by (source, path), at most `limit`, and the state
    /// they are of.
    async fn documents(
        &self,
        filter: &Filter,
        after: Option<&(SourceName, String)>,
        limit: usize,
    ) -> Result<(Vec<Document>, Status), ReadError>;
}

/// Length of each candidate list, for whoever fuses them: how far cursors lead. The same for every page of an answer, since a list's
/// ends decide its scores. Higher: every search reads more texts than anybody looks at.
pub const CANDIDATES: usize = 200;

/// Which documents count; an empty filter lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this source.
    pub source: Option<SourceName>,
    /// Only documents whose path begins so.
    pub path_prefix: Option<String>,
    /// Only sources of this version.
    pub version: Option<String>,
}

/// One search.
#[derive(Debug, Clone)]
pub struct Search {
    /// What to match, already analysed.
    pub terms: Terms,
    /// The query's vector under the index's embedder, for hybrid search.
    pub vector: Option<Vec<f32>>,
    /// Which documents count.
    pub filter: Filter,
    /// Length of each list.
    pub candidates: usize,
}

/// What a search found, from one consistent state of the index.
#[derive(Debug, Clone)]
pub struct Found {
    /// By BM25; scores are positive, more is better.
    pub lexical: Vec<Candidate>,
    /// By cosine similarity, -1 to 1; empty where no vector was given.
    pub dense: Vec<Candidate>,
    /// The state that was searched, with the heads of all sources.
    pub status: Status,
}

/// A chunk that may answer, with its score in the list it stands in.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Score in its list.
    pub score: f32,
    /// The chunk.
    pub chunk: StoredChunk,
}

/// A chunk with what a citation needs of its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its id.
    pub id: ChunkId,
    /// Its document's source.
    pub source: SourceName,
    /// Its document's path.
    pub path: String,
    /// Its document's title, `None` where it has none.
    pub title: Option<String>,
    /// The chunk itself.
    pub chunk: Chunk,
}

/// A document with all its chunks, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// The document.
    pub document: Document,
    /// Its chunks, in order of ordinal: together the document behind its front matter.
    pub chunks: Vec<Chunk>,
    /// Its source's head, from the same state of the index.
    pub head: Head,
}

/// How results are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// BM25 only.
    Lexical,
    /// BM25 and dense vectors, fused.
    Hybrid,
}

/// What an index is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Fingerprint of the build that is served.
    pub fingerprint: Fingerprint,
    /// Embedder of that build; `None` in lexical mode.
    pub embedder: Option<EmbedderId>,
    /// Length of its vectors; `None` in lexical mode.
    pub dimensions: Option<u32>,
    /// How its documents are cut.
    pub chunk: ChunkSettings,
    /// Heads of its sources, by name.
    pub heads: Vec<Head>,
}

/// Fingerprint of the build that is served; generation and time of each source's publication.
pub type Publications = (Fingerprint, Vec<(SourceName, u64, String)>);

impl Status {
    /// What decides the documents that are served: the build, and which publication each source is at.
    /// Equal before and after, and what was read in between is of one state.
    pub fn publications(&self) -> Publications {
        publications(&self.fingerprint, self.heads.iter())
    }
}

/// What decides the documents of the sources that have these heads, in the build of `fingerprint`.
pub(crate) fn publications<'a>(
    fingerprint: &Fingerprint,
    heads: impl Iterator<Item = &'a Head>,
) -> Publications {
    let of_head = |head: &Head| (head.source.clone(), head.generation, head.indexed_at.clone());
    (fingerprint.clone(), heads.map(of_head).collect())
}

/// Why an index could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no index at that place (yet).
    #[error("there is no index at {location}: run `lectern-ingest sync` to make one, or check --index")]
    Missing {
        /// Where it was looked for.
        location: String,
    },
    /// It is there, but was made by another version of Lectern.
    #[error("the index at {location} has schema {found}, this program reads {expected}: {advice}")]
    Schema {
        /// Where it is.
        location: String,
        /// Its schema version.
        found: i64,
        /// The one this program reads.
        expected: i64,
        /// What to do.
        advice: String,
    },
    /// It could not be reached or read.
    #[error("the index at {location} cannot be read: {reason}")]
    Unreadable {
        /// Where it is.
        location: String,
        /// What the database or network said.
        reason: String,
    },
}
