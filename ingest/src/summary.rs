//! Summaries that a model writes, where the author has written none (`[summary]`).
//!
//! An extra: whatever the model or its service does, the document is published, with the summary
//! that was extracted. Only the cost cap ends a run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use lectern_index::config::Config;
use lectern_index::document::BlobSha;
use lectern_index::embed::EmbedError;
use lectern_index::embed::configured;
use lectern_index::embed::openai::Chat;
use lectern_index::tokens::Tokenizer;

use crate::cost::{Cost, Used};
use crate::embed::Cache;
use crate::exit::Failure;
use crate::progress::SourceProgress;
use crate::schedule::jitter;
use crate::store::StagedDocument;

/// What the model is told.
const INSTRUCTION: &str = "You write the summary of a page of technical documentation, shown beside its title in \
    a list of search results. Say in one or two plain sentences what the page explains and what a reader can do \
    with it. Write in the page's language. Do not begin with \"This page\". Answer with the sentences alone.";

/// Raised when [`INSTRUCTION`] changes, so that summaries are written again.
const VERSION: u32 = 1;

/// Tokens that an answer is expected to have, for the cap: what is used is counted afterwards.
const ANSWER: u64 = 200;

/// The longest summary, in characters: models do not always keep to two sentences.
const LONGEST: usize = 600;

/// How often one document is asked about, and the first wait; each is twice the one before.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_millis(500);

/// How long the service is waited for when it says when to come back. Longer, and an extra holds up
/// the sync.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests in flight at once.
const REQUESTS: usize = 8;

/// Summaries by content; `None` where the model refused one.
type Known = HashMap<BlobSha, Option<String>>;

/// What the model is to read, by content.
type Texts = BTreeMap<BlobSha, String>;

/// Documents that keep the summary that was extracted.
pub struct Missed {
    /// Their paths.
    pub paths: Vec<String>,
    /// Why the last of them could not be asked about.
    pub reason: String,
}

/// Writes summaries for all sources of a run.
pub struct Summaries {
    chat: Chat,
    /// Model and version of the instruction.
    id: String,
    /// Tokens of a document that the model reads.
    most: usize,
    /// Dollars for a token read and one written.
    prices: Option<(f64, f64)>,
    tokenizer: Tokenizer,
    cache: Cache,
    cost: Arc<Cost>,
    /// What a dry run has counted already.
    counted: Mutex<HashSet<BlobSha>>,
}

impl Summaries {
    /// Of these settings; `None` where no model is configured. Fails where something is missing
    /// that nothing can be asked without; a dry run asks nothing.
    pub fn configured(
        config: &Config,
        cache: Cache,
        cost: Arc<Cost>,
        dry_run: bool,
    ) -> Result<Option<Self>, Failure> {
        let settings = &config.summary;
        let Some(model) = &settings.model else { return Ok(None) };
        let variable = |name: &str| std::env::var(name).ok();
        let base_url = settings.base_url.as_ref().or(config.embedding.base_url.as_ref());
        let (base_url, key) = configured::service(base_url, variable)
            .map_err(|error| Failure::usage(format!("[summary]: {error}")))?;
        let chat = Chat::new(model, &base_url, key, Duration::from_secs(settings.timeout_seconds))
            .map_err(|error| Failure::usage(format!("no HTTPS client can be made: {error}")))?;
        if chat.lacks_key() && !dry_run {
            return Err(Failure::usage("OPENAI_API_KEY is not set: set it, or leave [summary] out"));
        }
        let prices = settings.usd_per_million_input_tokens.zip(settings.usd_per_million_output_tokens);
        cost.needs(
            prices.map(|(read, _)| read),
            "summary.usd_per_million_input_tokens and summary.usd_per_million_output_tokens",
        )?;
        Ok(Some(Self {
            id: format!("{model}/{VERSION}"),
            chat,
            most: settings.max_input_tokens as usize,
            prices: prices.map(|(read, written)| (read / 1e6, written / 1e6)),
            tokenizer: Tokenizer::o200k(),
            cache,
            cost,
            counted: Mutex::default(),
        }))
    }

    /// What decides the summaries, for the ledger: where it changes, they are written again.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Replaces the extracted summaries of documents. Returns those whose summary could not be
    /// written, for a reason that passes.
    ///
    /// Fails where the cost cap is reached (code 6) or the cache cannot be used (5). Requests that are
    /// under way then are answered and kept, since they are paid for; nothing new is asked.
    pub async fn write(
        &self,
        documents: &mut [StagedDocument],
        progress: &SourceProgress,
    ) -> Result<Option<Missed>, Failure> {
        let (mut known, texts) = self.wanted(documents).await?;
        let mut missed = None;
        let mut ended = None;
        let shut = AtomicBool::new(false);
        let asked = texts.into_iter().take_while(|_| !shut.load(Ordering::Relaxed));
        let asked = asked.map(|(sha, text)| async move { (sha, self.ask(&text, progress).await) });
        let mut answers = futures::stream::iter(asked).buffer_unordered(REQUESTS);
        while let Some((sha, answer)) = answers.next().await {
            match answer {
                Ok(Ok(summary)) => {
                    self.cache.keep_summary(&self.id, &sha, summary.as_deref()).await?;
                    known.insert(sha, summary);
                }
                Ok(Err(reason)) => missed = Some(reason),
                Err(failure) => {
                    shut.store(true, Ordering::Relaxed);
                    ended.get_or_insert(failure);
                }
            }
        }
        drop(answers);
        if let Some(failure) = ended {
            return Err(failure);
        }
        let mut paths = Vec::new();
        for staged in documents.iter_mut().filter(|staged| is_wanting(staged)) {
            match known.get(&staged.document.blob_sha) {
                Some(Some(summary)) => staged.document.summary = Some(summary.clone()),
                Some(None) => {}
                None => paths.push(staged.document.path.clone()),
            }
        }
        Ok(missed.map(|reason| Missed { paths, reason }))
    }

    /// Counts what [`Summaries::write`] would ask, and about what it would cost.
    pub async fn estimate(
        &self,
        documents: &[StagedDocument],
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let (_, mut texts) = self.wanted(documents).await?;
        if let Ok(mut counted) = self.counted.lock() {
            texts.retain(|sha, _| counted.insert(sha.clone()));
        }
        for text in texts.values() {
            progress.summarised(self.used(self.reads(text), ANSWER), true, self.prices.is_some());
        }
        Ok(())
    }

    /// The summaries of documents that are known, and what to ask for the others. Equal content is
    /// asked about once.
    async fn wanted(&self, documents: &[StagedDocument]) -> Result<(Known, Texts), Failure> {
        let wanting: BTreeMap<BlobSha, &StagedDocument> = documents
            .iter()
            .filter(|staged| is_wanting(staged))
            .map(|staged| (staged.document.blob_sha.clone(), staged))
            .collect();
        let known = self.cache.summaries(&self.id, wanting.keys()).await?;
        let missing = wanting.into_iter().filter(|(sha, _)| !known.contains_key(sha));
        let texts = missing.map(|(sha, staged)| (sha, self.beginning(staged))).collect();
        Ok((known, texts))
    }

    /// The beginning of a document, as long as the model may read.
    fn beginning(&self, staged: &StagedDocument) -> String {
        let mut text = String::new();
        let mut room = self.most;
        for (_, chunk) in &staged.chunks {
            let tokens = self.tokenizer.count(&chunk.text);
            if tokens > room {
                break;
            }
            room -= tokens;
            text.push_str(&chunk.text);
        }
        let title = staged.document.title.as_deref().unwrap_or_default();
        format!("{title}\n\n{text}")
    }

    /// One document. The outer error ends the run; the inner one passes; `None` is an answer that
    /// will not change, a text that the model refuses.
    async fn ask(
        &self,
        text: &str,
        progress: &SourceProgress,
    ) -> Result<Result<Option<String>, String>, Failure> {
        let read = self.reads(text);
        let mut wait = WAIT;
        let mut tries = 1;
        loop {
            let reserved = self.used(read, ANSWER);
            self.cost.reserve(reserved)?;
            let answer = self.chat.complete(INSTRUCTION, text).await;
            let used =
                answer.as_ref().map_or(Used::default(), |answer| match (answer.read, answer.written) {
                    (0, 0) => reserved,
                    (read, written) => self.used(read, written),
                });
            self.cost.settle(reserved, used);
            progress.summarised(used, answer.is_ok(), self.prices.is_some());
            match answer {
                Ok(answer) => return Ok(Ok(Some(short(&answer.text)))),
                Err(EmbedError::Rejected { reason }) => {
                    tracing::debug!(reason, "no summary");
                    return Ok(Ok(None));
                }
                Err(EmbedError::Unusable { reason }) => return Ok(Err(reason)),
                Err(EmbedError::Transient { reason, retry_after }) => {
                    let wanted = retry_after.unwrap_or(wait);
                    if tries == TRIES || wanted > PATIENCE {
                        return Ok(Err(reason));
                    }
                    tokio::time::sleep(wanted + jitter(wait / 2)).await;
                    tries += 1;
                    wait *= 2;
                }
            }
        }
    }

    /// Tokens that the model reads to summarise a text.
    fn reads(&self, text: &str) -> u64 {
        (self.tokenizer.count(text) + self.tokenizer.count(INSTRUCTION)) as u64
    }

    fn used(&self, read: u64, written: u64) -> Used {
        let (of_read, of_written) = self.prices.unwrap_or_default();
        Used { tokens: read + written, usd: read as f64 * of_read + written as f64 * of_written }
    }
}

/// Whether the model is to summarise a document: its author has not, and there is something to read.
fn is_wanting(staged: &StagedDocument) -> bool {
    !staged.described && !staged.chunks.is_empty()
}

/// One line, not too long.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}
