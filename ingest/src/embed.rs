//! Vectors for documents: those that are cached cost nothing, the others are asked for in batches,
//! several at a time, again after failures, within the cost cap.
//!
//! A vector is stored as soon as it comes, so whatever ends a run, no text is paid for twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use lectern_index::chunk::Hash;
use lectern_index::config::EmbeddingSettings;
use lectern_index::embed::{Embedder, Kind};
use lectern_index::tokens::Tokenizer;
use tokio::sync::Notify;

use crate::cost::{Cost, Used};
use crate::exit::{Exit, Failure};
use crate::progress::SourceProgress;
use crate::report;
use crate::store::StagedDocument;

mod batch;
mod cache;
mod gate;
mod request;

pub use cache::Cache;

use gate::Gate;

/// What embeds for all sources of a run: they share the service's limits and the cost cap.
pub struct Embedding {
    embedder: Arc<dyn Embedder>,
    cache: Cache,
    gate: Gate,
    cost: Arc<Cost>,
    /// Dollars for a token.
    price: Option<f64>,
    /// Texts that are being embedded for one of the sources: the others wait for them.
    claimed: Mutex<HashSet<Hash>>,
    released: Notify,
    /// Texts that a dry run has counted.
    counted: Mutex<HashSet<Hash>>,
}

/// A text to embed.
#[derive(Debug, Clone)]
struct Text {
    kind: Kind,
    hash: Hash,
    text: String,
    tokens: u64,
}

/// Why texts have no vector, by their hash.
type Failed = HashMap<Hash, String>;

impl Embedding {
    /// Embeds with `embedder`; vectors are kept in `cache`.
    ///
    /// Fails where the settings cap a cost that nobody can tell.
    pub fn new(
        embedder: Arc<dyn Embedder>,
        cache: Cache,
        settings: &EmbeddingSettings,
        cost: Arc<Cost>,
    ) -> Result<Self, Failure> {
        let price = embedder.usd_per_million_tokens();
        cost.needs(price, "embedding.usd_per_million_tokens")?;
        let gate = Gate::new(embedder.limits().requests, settings.deadline_seconds);
        Ok(Self {
            embedder,
            cache,
            gate,
            cost,
            price: price.map(|price| price / 1e6),
            claimed: Mutex::default(),
            released: Notify::new(),
            counted: Mutex::default(),
        })
    }

    /// What counts the tokens of chunks.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.embedder.tokenizer()
    }

    /// Makes sure that every chunk of `documents` has a vector in the cache. Returns the documents of
    /// which one could not be embedded, by path, with the reason.
    ///
    /// Fails where the service cannot be used or does not answer (code 4), the cost cap is reached
    /// (6), or the vectors cannot be stored (5); what was embedded until then is kept.
    pub async fn embed(
        &self,
        documents: &[StagedDocument],
        progress: &SourceProgress,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let texts = texts(documents);
        let all = texts.len();
        let (failed, asked) = self.ensure(texts, progress).await?;
        progress.used(|used| {
            used.reused += (all - asked) as u64;
            self.count(used, 0);
        });
        Ok(failures(documents, &failed))
    }

    /// Makes sure that these texts are in the cache, each asked for by one of those who want it at the
    /// same time. Returns the ones that could not be embedded, and how many were asked for here.
    async fn ensure(
        &self,
        texts: HashMap<Hash, Text>,
        progress: &SourceProgress,
    ) -> Result<(Failed, usize), Failure> {
        let mut wanted: Vec<Hash> = texts.keys().copied().collect();
        // Equal input makes equal requests.
        wanted.sort();
        let (mut failed, mut asked) = (Failed::new(), 0);
        loop {
            let released = self.released.notified();
            // Claimed before the cache is looked at: what others stored before they let go is seen.
            let claim = Claim::of(self, &wanted);
            let missing = self.cache.missing(self.embedder.id(), &claim.hashes).await?;
            asked += missing.len();
            let inputs = claim.hashes.iter().filter(|hash| missing.contains(hash));
            let batches = batch::pack(inputs.map(|hash| texts[hash].clone()), self.embedder.limits());
            failed.extend(self.requests(batches, progress).await?);
            let mine: HashSet<Hash> = claim.hashes.iter().copied().collect();
            wanted.retain(|hash| !mine.contains(hash));
            drop(claim);
            if wanted.is_empty() {
                return Ok((failed, asked));
            }
            released.await;
        }
    }

    /// Embeds batches, several at a time. Where one ends the run, those that are under way are
    /// answered and kept, since they are paid for; nothing new is asked.
    async fn requests(&self, batches: Vec<Vec<Text>>, progress: &SourceProgress) -> Result<Failed, Failure> {
        let requests = batches.into_iter().map(|batch| self.request(batch, progress));
        let mut answers = futures::stream::iter(requests).buffer_unordered(self.gate.requests());
        let mut failed = Failed::new();
        let mut ended = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(more) => failed.extend(more),
                Err(failure) => {
                    self.gate.shut(&failure);
                    ended.get_or_insert(failure);
                }
            }
        }
        ended.map_or(Ok(failed), Err)
    }

    /// Makes sure that questions have a vector in the cache, under [`question_hash`]. One that the
    /// service refuses has none.
    ///
    /// Fails as [`Embedding::embed`] does.
    pub async fn questions(&self, questions: &[&str], progress: &SourceProgress) -> Result<(), Failure> {
        let texts = questions.iter().map(|question| {
            let (hash, tokens) = (question_hash(question), self.tokenizer().count(question) as u64);
            (hash, Text { kind: Kind::Query, hash, text: (*question).to_owned(), tokens })
        });
        self.ensure(texts.collect(), progress).await.map(drop)
    }

    /// Counts what [`Embedding::embed`] would send, and what it would cost.
    pub async fn estimate(
        &self,
        documents: &[StagedDocument],
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let texts = texts(documents);
        let wanted: Vec<Hash> = texts.keys().copied().collect();
        let mut missing = self.cache.missing(self.embedder.id(), &wanted).await?;
        if let Ok(mut counted) = self.counted.lock() {
            missing.retain(|hash| counted.insert(*hash));
        }
        let tokens = missing.iter().map(|hash| texts[hash].tokens).sum();
        let batches = batch::pack(missing.iter().map(|hash| texts[hash].clone()), self.embedder.limits());
        progress.used(|used| {
            used.requests += batches.len() as u64;
            used.inputs += missing.len() as u64;
            used.reused += (texts.len() - missing.len()) as u64;
            self.count(used, tokens);
        });
        Ok(())
    }

    /// What `tokens` cost.
    fn priced(&self, tokens: u64) -> Used {
        Used { tokens, usd: tokens as f64 * self.price.unwrap_or_default() }
    }

    /// Adds tokens and their price to a report.
    fn count(&self, used: &mut report::Embedding, tokens: u64) {
        used.tokens += tokens;
        used.cost_usd = self.price.map(|price| used.tokens as f64 * price);
    }
}

/// What a question's vector is cached under: never that of a document of the same text, before which
/// a model may want other words.
pub fn question_hash(question: &str) -> Hash {
    Hash::of(format!("question\0{question}").as_bytes())
}

/// The distinct texts of documents. A chunk of white space has none: there is nothing to embed.
fn texts(documents: &[StagedDocument]) -> HashMap<Hash, Text> {
    let chunks = documents.iter().flat_map(|document| &document.chunks);
    let texts = chunks.map(|(_, chunk)| {
        let hash = chunk.text_hash();
        (hash, Text { kind: Kind::Document, hash, text: chunk.searchable(), tokens: chunk.tokens.into() })
    });
    texts.filter(|(_, text)| !text.text.trim().is_empty()).collect()
}

/// The documents with a chunk among the failed ones.
fn failures(documents: &[StagedDocument], failed: &Failed) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for StagedDocument { document, chunks, .. } in documents {
        let bad = chunks.iter().find_map(|(_, chunk)| Some((chunk, failed.get(&chunk.text_hash())?)));
        if let Some((chunk, reason)) = bad {
            let (from, to) = (chunk.start_line, chunk.end_line);
            paths.insert(document.path.clone(), format!("lines {from} to {to} were not embedded: {reason}"));
        }
    }
    paths
}

/// Texts that one source embeds and others wait for; let go of when dropped, however that comes.
struct Claim<'a> {
    embedding: &'a Embedding,
    hashes: Vec<Hash>,
}

impl<'a> Claim<'a> {
    /// Claims those of `wanted` that nobody else has.
    fn of(embedding: &'a Embedding, wanted: &[Hash]) -> Self {
        let hashes = match embedding.claimed.lock() {
            Ok(mut claimed) => wanted.iter().copied().filter(|hash| claimed.insert(*hash)).collect(),
            Err(_) => wanted.to_vec(),
        };
        Self { embedding, hashes }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.hashes.is_empty() {
            // Nobody waits for it; but who holds it would wake itself.
            return;
        }
        if let Ok(mut claimed) = self.embedding.claimed.lock() {
            for hash in &self.hashes {
                claimed.remove(hash);
            }
        }
        self.embedding.released.notify_waiters();
    }
}

/// The service cannot be used.
fn unreachable(reason: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::SourceDown,
        format!(
            "{reason}. Nothing was published; what was embedded so far is kept, the next sync goes on from there"
        ),
    )
}
