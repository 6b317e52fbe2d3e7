//! [`IndexWriter`]: what a sync needs of an index.
//!
//! The crash contract, the same for every index: what is staged is seen by nobody; `publish` is one
//! atomic step, durable when it returns; what a run that died had staged is undone by the next
//! `begin`. So a reader sees the old generation or the new one, and a run may die anywhere.

use async_trait::async_trait;
use lectern_index::chunk::{Chunk, ChunkId};
use lectern_index::document::{BlobSha, Document, SourceName};
use lectern_index::fingerprint::{ChunkSettings, EmbedderId, Fingerprint};
use lectern_index::head::{Head, Repository};
use lectern_index::search::{SearchIndex, StoredDocument};

use crate::plan::Known;
use crate::source::Problem;

pub mod open;
pub mod qdrant;
pub mod sqlite;

/// An index that can be written. One writer at a time: the caller holds the lock.
#[async_trait]
pub trait IndexWriter: Send + Sync {
    /// Begins work on a source under `spec`: makes the build if it is new, undoes what a run that
    /// died left behind, and says what is there. An index opened for reading only says it.
    async fn begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, WriteError>;

    /// Reads a published document of the build, to publish it again under another path.
    async fn load(&self, begun: &Begun, path: &str) -> Result<Option<StoredDocument>, WriteError>;

    /// Writes documents that the next [`IndexWriter::publish`] makes visible.
    async fn stage(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), WriteError>;

    /// Makes the next generation visible: staged documents appear, stale ones go, the head and the
    /// ledger advance, all in one step.
    async fn publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, WriteError>;

    /// Records that the source was found to be up to date, without a new generation. Like a publish
    /// it switches to the build if that is complete now.
    async fn touch(
        &self,
        begun: &Begun,
        checked_at: &str,
        commits_behind: Option<u64>,
    ) -> Result<(), WriteError>;

    /// Both builds, where that of `spec` is complete and another one is served.
    async fn candidate(&self, spec: &BuildSpec) -> Result<Option<Candidate>, WriteError>;

    /// Switches to the build of `spec`, which [`IndexWriter::candidate`] found complete.
    async fn switch(&self, spec: &BuildSpec) -> Result<(), WriteError>;
}

/// A complete build beside the one that is served, both to be read.
pub struct Candidate {
    /// The complete one.
    pub new: Box<dyn SearchIndex>,
    /// The one that is served.
    pub served: Box<dyn SearchIndex>,
}

/// What decides the whole index.
#[derive(Debug, Clone)]
pub struct BuildSpec {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The embedder and the length of its vectors; `None` in lexical mode.
    pub embedder: Option<(EmbedderId, u32)>,
    /// How documents are cut.
    pub chunk: ChunkSettings,
    /// The sources that a new build must hold before it is switched to; `None` where the run cannot
    /// know them all, and every source that is served now counts.
    pub required: Option<Vec<SourceName>>,
    /// Whether a source counts only where it was looked at no earlier than what is served of it: a build
    /// that was left behind holds sources as they were then.
    pub fresh: bool,
    /// Never switch to the build by publishing: something else decides about it. The first build is
    /// served at once all the same.
    pub held: bool,
}

/// Where a source stands when a sync begins.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The source.
    pub source: SourceName,
    /// What decides the build that is written.
    pub spec: BuildSpec,
    /// The source's head in that build; `None` if it was never published there.
    pub head: Option<Head>,
    /// What the ledger knows of the source in that build.
    pub known: Known,
    /// Paths that failed when last tried.
    pub failed: Vec<Problem>,
    /// Hash of the source's settings at the last publish.
    pub settings: Option<String>,
    /// Paths that readers are served now, in whichever build.
    pub served: Vec<String>,
}

impl Begun {
    /// Lets every document pass for one with other content.
    pub fn forget_contents(&mut self) {
        for known in self.known.values_mut() {
            known.blob_sha = BlobSha::none();
        }
    }
}

/// A document ready to be written.
#[derive(Debug, Clone)]
pub struct StagedDocument {
    /// The document.
    pub document: Document,
    /// Its chunks with their ids, in order.
    pub chunks: Vec<(ChunkId, Chunk)>,
    /// Whether its summary is its author's, or was written before.
    pub described: bool,
}

/// What one publish changes beside the staged documents.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The commit that is published; `None` for folders.
    pub commit: Option<String>,
    /// The repository, for permalinks.
    pub repository: Option<Repository>,
    /// Version from the settings.
    pub version: Option<String>,
    /// Page template from the settings.
    pub url_template: Option<String>,
    /// Now (RFC 3339, UTC).
    pub at: String,
    /// Published documents that are gone, were replaced, or moved.
    pub stale: Vec<String>,
    /// For the ledger: path, blob SHA, chunk ids of what was staged.
    pub staged: Vec<(String, String, Vec<ChunkId>)>,
    /// For the ledger: paths of what was staged and is to be made again by the next sync.
    pub unfinished: Vec<String>,
    /// For the ledger: path, blob SHA and reason of what was looked at and left out.
    pub skipped: Vec<(String, String, String)>,
    /// For the ledger: what failed, all of it.
    pub failed: Vec<Problem>,
    /// For the ledger: hash of the source's settings.
    pub settings: String,
    /// For the ledger: the settings themselves, so that a repair needs no configuration.
    pub origin: String,
}

impl Publication {
    /// The head it gives a source that has as many documents and chunks by then.
    fn head(&self, source: &SourceName, generation: u64, documents: u64, chunks: u64) -> Head {
        Head {
            source: source.clone(),
            generation,
            commit: self.commit.clone(),
            repository: self.repository.clone(),
            version: self.version.clone(),
            url_template: self.url_template.clone(),
            indexed_at: self.at.clone(),
            checked_at: self.at.clone(),
            commits_behind: self.commit.as_ref().map(|_| 0),
            documents,
            chunks,
        }
    }
}

/// What a publish led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The new generation.
    pub generation: u64,
    /// Documents now in the source.
    pub documents: u64,
    /// Chunks now in the source.
    pub chunks: u64,
    /// Chunks that were removed.
    pub removed_chunks: u64,
    /// Whether readers are served this build now.
    pub serving: bool,
    /// Sources that the build still lacks before it can be switched to.
    pub waiting_for: Vec<SourceName>,
}

/// An index that cannot be written, or not even read: exit code 5.
#[derive(Debug, thiserror::Error)]
#[error("the index at {location} {reason}")]
pub struct WriteError {
    /// Where it is.
    pub location: String,
    /// What happened, and what to do.
    pub reason: String,
}
