//! A published index as lines of JSON, vectors and all: `backup` and `restore` for any index, and
//! `copy` from one straight into another, without embedding anything again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use lectern_index::chunk::{Chunk, ChunkId};
use lectern_index::document::{Document, SourceName};
use lectern_index::fingerprint::{ChunkSettings, EmbedderId, Fingerprint};
use lectern_index::head::Head;
use lectern_index::search::{Filter, SearchIndex};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::store::open::Store;
use crate::store::{Begun, BuildSpec, Publication, StagedDocument};

pub mod file;

/// Documents read, and staged, at once.
const AT_ONCE: usize = 64;

/// Raised when older programs would not understand the lines.
const FORMAT: u32 = 1;

/// A line. They come in this order: the index, and for each source its head, then its documents.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What decides the index.
    Index(Index),
    /// A source as it was published.
    Source(Head),
    /// One of its documents.
    Document(Box<Copied>),
    /// Nothing was cut off.
    End {
        /// Documents that came before.
        documents: u64,
    },
}

/// What decides a copied index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    /// The format of the lines.
    pub format: u32,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its embedder; `None` in lexical mode.
    pub embedder: Option<EmbedderId>,
    /// Length of its vectors.
    pub dimensions: Option<u32>,
    /// How its documents are cut.
    pub chunk: ChunkSettings,
}

/// A document with its chunks, each with its vector if it has one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Copied {
    /// The document.
    pub document: Document,
    /// Its chunks, in order.
    pub chunks: Vec<(Chunk, Option<Vec<f32>>)>,
}

/// Where lines go.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next line.
    async fn take(&mut self, line: Line) -> Result<(), Failure>;
}

/// Gives everything that `index` serves to `sink`; returns how many documents that are.
pub async fn give(index: &dyn SearchIndex, sink: &mut dyn Sink) -> Result<u64, Failure> {
    let status = index.status().await?;
    let (fingerprint, chunk) = (status.fingerprint.clone(), status.chunk.clone());
    let dimensions = status.dimensions;
    let embedder = status.embedder.clone();
    sink.take(Line::Index(Index { format: FORMAT, fingerprint, embedder, dimensions, chunk })).await?;
    let mut documents = 0;
    let changed =
        || Failure::new(Exit::IndexDown, "a sync published while the index was copied: copy it again");
    for head in &status.heads {
        let filter = Filter { source: Some(head.source.clone()), ..Filter::default() };
        sink.take(Line::Source(head.clone())).await?;
        let before = documents;
        let mut after = None;
        loop {
            let (page, _) = index.documents(&filter, after.as_ref(), AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.source.clone(), last.path.clone()));
            let mut read = Vec::new();
            for document in page {
                let stored = index.document(&document.source, &document.path).await?.ok_or_else(changed)?;
                let mut vectors = index.vectors(&document.source, &document.path).await?.into_iter();
                let chunks = stored.chunks.into_iter().map(|chunk| (chunk, vectors.next().flatten()));
                read.push(Copied { document: stored.document, chunks: chunks.collect() });
            }
            // All of it is of one publication, or nothing of it is given.
            let now = index.status().await?;
            let publication = |head: &Head| (head.generation, head.indexed_at.clone());
            let head_now = now.heads.iter().find(|now| now.source == head.source);
            if now.fingerprint != status.fingerprint || head_now.map(publication) != Some(publication(head)) {
                return Err(changed());
            }
            for copied in read {
                sink.take(Line::Document(Box::new(copied))).await?;
                documents += 1;
            }
        }
        if documents - before != head.documents {
            return Err(changed());
        }
    }
    sink.take(Line::End { documents }).await?;
    Ok(documents)
}

/// Publishes what it takes in an index, a source at a time. Sources that do not come stay as they are.
pub struct Writer<'a> {
    store: &'a Store,
    spec: Option<BuildSpec>,
    source: Option<(Begun, Head)>,
    batch: Vec<StagedDocument>,
    staged: Vec<(String, String, Vec<ChunkId>)>,
    documents: u64,
    waiting_for: Vec<SourceName>,
    ended: bool,
}

impl<'a> Writer<'a> {
    /// Writes to `store`.
    pub fn new(store: &'a Store) -> Self {
        let (batch, staged) = (Vec::new(), Vec::new());
        let waiting_for = Vec::new();
        Self { store, spec: None, source: None, batch, staged, documents: 0, waiting_for, ended: false }
    }

    /// Fails where the end did not come: what came whole before it is published. Fails too where what
    /// came is of other settings than what is served, and cannot be served before the sources that
    /// did not come are there.
    pub fn finish(self) -> Result<u64, Failure> {
        if !self.ended {
            return Err(Failure::usage("it ends in the middle: it was cut off"));
        }
        if self.waiting_for.is_empty() {
            return Ok(self.documents);
        }
        let names: Vec<&str> = self.waiting_for.iter().map(|name| name.as_str()).collect();
        Err(Failure::new(
            Exit::Refused,
            format!(
                "all {} documents are there, but made with other settings than what is served, and sources {} are not among them: \
                 sync these with the same settings, or prune them, and it is switched to",
                self.documents,
                names.join(", ")
            ),
        ))
    }

    fn begin(&mut self, index: Index) -> Result<(), Failure> {
        if index.format > FORMAT {
            let reason = format!("its format {} is newer than this program knows ({FORMAT})", index.format);
            return Err(Failure::usage(reason));
        }
        self.spec = Some(BuildSpec {
            fingerprint: index.fingerprint,
            embedder: index.embedder.zip(index.dimensions),
            chunk: index.chunk,
            // Sources that did not come are to be served on.
            required: None,
            // They are as old as they are.
            fresh: false,
            held: false,
        });
        Ok(())
    }

    async fn source(&mut self, head: Head) -> Result<(), Failure> {
        self.publish().await?;
        let spec = self.spec.as_ref().ok_or_else(out_of_order)?;
        let begun = self.store.writer().begin(spec, &head.source).await?;
        self.source = Some((begun, head));
        Ok(())
    }

    async fn document(&mut self, copied: Copied) -> Result<(), Failure> {
        let spec = self.spec.as_ref().ok_or_else(out_of_order)?;
        let Copied { document, chunks } = copied;
        if self.source.as_ref().is_none_or(|(_, head)| head.source != document.source) {
            return Err(out_of_order());
        }
        let Document { source, path, blob_sha, .. } = &document;
        let mut vectors = Vec::new();
        let mut made = Vec::new();
        for (chunk, vector) in chunks {
            vectors.extend(vector.map(|vector| (chunk.text_hash(), vector)));
            made.push((ChunkId::derive(source, path, blob_sha, &spec.fingerprint, chunk.ordinal), chunk));
        }
        if let Some((embedder, _)) = &spec.embedder {
            self.store.ledger().cache().keep(embedder, vectors).await?;
        }
        self.staged.push((path.clone(), blob_sha.to_string(), made.iter().map(|(id, _)| *id).collect()));
        self.batch.push(StagedDocument { document, chunks: made, described: true });
        self.documents += 1;
        if self.batch.len() >= AT_ONCE { self.stage().await } else { Ok(()) }
    }

    async fn stage(&mut self) -> Result<(), Failure> {
        if let (Some((begun, _)), false) = (&self.source, self.batch.is_empty()) {
            self.store.writer().stage(begun, &self.batch).await?;
            self.batch.clear();
        }
        Ok(())
    }

    /// Publishes the source whose documents have come.
    async fn publish(&mut self) -> Result<(), Failure> {
        self.stage().await?;
        let Some((begun, head)) = self.source.take() else { return Ok(()) };
        let staged = std::mem::take(&mut self.staged);
        if staged.len() as u64 != head.documents {
            return Err(Failure::usage(format!("documents of source {} are missing in it", head.source)));
        }
        let new: BTreeSet<&str> = staged.iter().map(|(path, ..)| path.as_str()).collect();
        let stale = begun.known.keys().filter(|path| !new.contains(path.as_str())).cloned().collect();
        let publication = Publication {
            commit: head.commit,
            repository: head.repository,
            version: head.version,
            url_template: head.url_template,
            at: head.indexed_at,
            stale,
            staged,
            unfinished: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
            // Equal to those of no source: the next sync looks at it in any case.
            settings: String::new(),
            origin: String::new(),
        };
        let published = self.store.writer().publish(&begun, &publication).await?;
        self.waiting_for = published.waiting_for;
        // It is as old as it was, not as new as its copy.
        Ok(self.store.writer().touch(&begun, &head.checked_at, head.commits_behind).await?)
    }
}

#[async_trait]
impl Sink for Writer<'_> {
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        match line {
            Line::Index(index) => self.begin(index),
            Line::Source(head) => self.source(head).await,
            Line::Document(copied) => self.document(*copied).await,
            Line::End { documents } if documents == self.documents => {
                self.publish().await?;
                self.ended = true;
                Ok(())
            }
            Line::End { .. } => Err(Failure::usage("documents are missing in the middle of it")),
        }
    }
}

fn out_of_order() -> Failure {
    Failure::usage("its lines are not in order: it is no backup of Lectern, or was changed")
}
