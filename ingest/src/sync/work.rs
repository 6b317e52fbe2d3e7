//! From what the plan asks for to what is staged: fetch, parse, chunk, summarise, embed.

use futures::StreamExt;
use lectern_index::chunk::ChunkId;
use lectern_index::tokens::Tokenizer;
use rayon::prelude::*;

use super::Sync;
use super::documents::{self, Left};
use crate::exit::Failure;
use crate::plan::Plan;
use crate::prepare::{self, Prepared};
use crate::progress::SourceProgress;
use crate::source::{Entry, Fetched, Problem, Snapshot, Source};
use crate::store::{Begun, StagedDocument};
use crate::summary::Missed;

/// Content held at once between fetching and staging. Too high: memory; too low: more commits and
/// idle cores.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Documents held at once, for sources of many small files.
const BATCH_DOCUMENTS: usize = 256;

/// What was made of the fetched documents.
#[derive(Default)]
pub(super) struct Work {
    pub(super) staged: Vec<(String, String, Vec<ChunkId>)>,
    pub(super) skipped: Vec<(String, String, String)>,
    pub(super) failures: Vec<Problem>,
    /// Chunks that were made.
    pub(super) made: u64,
    /// Chunks of documents that only moved.
    pub(super) moved: u64,
    /// Paths of documents whose summary could not be written: the next run makes them again.
    pub(super) unfinished: Vec<String>,
    /// Why the last of them could not.
    pub(super) unsummarised: Option<String>,
    /// When all of it was committed, where that is known.
    pub(super) updated_at: Option<String>,
}

impl Sync<'_> {
    /// Fetches, prepares and stages what the plan asks for.
    pub(super) async fn work(
        &self,
        source: &dyn Source,
        begun: &Begun,
        snapshot: &Snapshot,
        plan: &Plan,
        progress: &SourceProgress,
    ) -> Result<Work, Failure> {
        let mut work = Work { updated_at: snapshot.updated_at.clone(), ..Work::default() };
        let mut fetch = plan.to_fetch();
        progress.begin("indexing", (fetch.len() + plan.renamed.len()) as u64);
        let mut moved = Vec::new();
        for rename in &plan.renamed {
            match self.store.load(begun, &rename.from).await? {
                Some(stored) => {
                    moved.push(documents::rename(
                        stored,
                        &self.spec.fingerprint,
                        &rename.to,
                        work.updated_at.clone(),
                    ));
                }
                // The ledger knew it, the index does not: made from its content again.
                None => fetch.push(rename.to.clone()),
            }
            if moved.len() >= BATCH_DOCUMENTS {
                work.moved += self.stage(begun, std::mem::take(&mut moved), &mut work, progress).await?;
            }
        }
        work.moved += self.stage(begun, moved, &mut work, progress).await?;

        let mut fetched = source.fetch(snapshot, fetch);
        let mut batch = Vec::new();
        let mut bytes = 0;
        loop {
            let next = progress.during(source, "indexing", fetched.next()).await.transpose()?;
            let last = next.is_none();
            if let Some(Fetched { entry, content }) = next {
                match content {
                    Ok(content) => {
                        bytes += content.len();
                        batch.push((entry, content));
                    }
                    Err(reason) => work.failures.push(Problem { path: entry.path, reason }),
                }
            }
            if last || bytes >= BATCH_BYTES || batch.len() >= BATCH_DOCUMENTS {
                let documents = self.prepare(begun, std::mem::take(&mut batch), &mut work);
                work.made += self.stage(begun, documents, &mut work, progress).await?;
                bytes = 0;
            }
            if last {
                return Ok(work);
            }
        }
    }

    /// Parses and chunks a batch on all cores, in its order.
    fn prepare(&self, begun: &Begun, batch: Vec<(Entry, Vec<u8>)>, work: &mut Work) -> Vec<StagedDocument> {
        if batch.is_empty() {
            return Vec::new();
        }
        let tokenizer =
            self.embedding.map_or_else(Tokenizer::cl100k, |embedding| embedding.tokenizer().clone());
        let prepared: Vec<(Entry, Result<Prepared, Left>)> = tokio::task::block_in_place(|| {
            batch
                .into_par_iter()
                .map(|(entry, content)| {
                    let prepared = documents::text(&content)
                        .map(|text| prepare::prepare(text, &self.spec.chunk, &tokenizer));
                    (entry, prepared)
                })
                .collect()
        });
        let mut documents = Vec::new();
        for (entry, prepared) in prepared {
            match prepared {
                Ok(prepared) if prepared.draft => {
                    work.skipped.push((entry.path, entry.blob_sha.to_string(), "a draft".into()));
                }
                Ok(prepared) => documents.push(documents::make(
                    &begun.source,
                    &self.spec.fingerprint,
                    &entry,
                    prepared,
                    work.updated_at.clone(),
                )),
                Err(Left::Out(reason)) => work.skipped.push((entry.path, entry.blob_sha.to_string(), reason)),
                Err(Left::Failed(reason)) => work.failures.push(Problem { path: entry.path, reason }),
            }
        }
        documents
    }

    /// Embeds documents and stages those that could be; returns how many chunks these have.
    async fn stage(
        &self,
        begun: &Begun,
        mut documents: Vec<StagedDocument>,
        work: &mut Work,
        progress: &SourceProgress,
    ) -> Result<u64, Failure> {
        if documents.is_empty() {
            return Ok(0);
        }
        progress.advance(documents.len() as u64);
        match self.summaries {
            Some(summaries) if self.dry_run => summaries.estimate(&documents, progress).await?,
            Some(summaries) => {
                if let Some(Missed { paths, reason }) = summaries.write(&mut documents, progress).await? {
                    work.unfinished.extend(paths);
                    work.unsummarised = Some(reason);
                }
            }
            None => {}
        }
        match self.embedding {
            Some(embedding) if self.dry_run => embedding.estimate(&documents, progress).await?,
            Some(embedding) => {
                let failed = embedding.embed(&documents, progress).await?;
                documents.retain(|staged| !failed.contains_key(&staged.document.path));
                work.failures.extend(failed.into_iter().map(|(path, reason)| Problem { path, reason }));
            }
            None => {}
        }
        if !self.dry_run && !documents.is_empty() {
            self.store.stage(begun, &documents).await?;
        }
        let chunks = documents.iter().map(|staged| staged.chunks.len() as u64).sum();
        for StagedDocument { document, chunks, .. } in &documents {
            let ids = chunks.iter().map(|(id, _)| *id).collect();
            work.staged.push((document.path.clone(), document.blob_sha.to_string(), ids));
        }
        Ok(chunks)
    }
}
