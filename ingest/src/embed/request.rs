//! One batch until every text of it has a vector or a reason why not.

use std::time::Duration;

use lectern_index::embed::{EmbedError, Embedded, Kind};
use tokio::time::Instant;

use super::{Embedding, Failed, Text, unreachable};
use crate::exit::Failure;
use crate::progress::SourceProgress;
use crate::schedule::jitter;

/// The first wait after a failure, and the longest; each is twice the one before.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));

/// Bad vectors or failures of one batch that are put up with while others are answered: then it is
/// the batch's own fault.
const PATIENCE: u32 = 5;

/// Texts that may be refused before the first one is accepted: then it is not the texts' fault.
const REFUSALS: usize = 3;

/// Part of a batch that is still to be embedded.
struct Part {
    texts: Vec<Text>,
    /// Failures of exactly these texts in a row, and when the first was.
    failures: u32,
    since: Option<Instant>,
}

impl Part {
    fn new(texts: Vec<Text>) -> Self {
        Self { texts, failures: 0, since: None }
    }

    /// Two halves, to find out which one is bad.
    fn split(mut self) -> [Part; 2] {
        let rest = self.texts.split_off(self.texts.len() / 2);
        [Self::new(self.texts), Self::new(rest)]
    }
}

impl Embedding {
    /// Embeds and stores one batch. A text that is refused, or gets no good vector however often it
    /// is tried, fails alone.
    pub(super) async fn request(
        &self,
        batch: Vec<Text>,
        progress: &SourceProgress,
    ) -> Result<Failed, Failure> {
        let _waiting = self.gate.wait_for_vectors();
        let mut failed = Failed::new();
        let mut parts = vec![Part::new(batch)];
        while let Some(mut part) = parts.pop() {
            match self.once(&part.texts, progress).await? {
                Ok(embedded) => {
                    progress.spent(&self.cost.spent());
                    let mut bad = Vec::new();
                    let mut good = Vec::new();
                    let mut why = String::new();
                    for (text, vector) in part.texts.into_iter().zip(embedded.vectors) {
                        match vector {
                            Ok(vector) => good.push((text.hash, vector)),
                            Err(reason) => {
                                why = reason;
                                bad.push(text);
                            }
                        }
                    }
                    self.cache.keep(self.embedder.id(), good).await?;
                    if bad.is_empty() {
                        continue;
                    }
                    let failures = part.failures + 1;
                    if failures >= PATIENCE {
                        let reason = format!("the service gave {why}, {failures} times");
                        failed.extend(bad.into_iter().map(|text| (text.hash, reason.clone())));
                    } else {
                        parts.push(Part { texts: bad, failures, since: part.since });
                    }
                }
                Err(EmbedError::Rejected { reason }) => {
                    if part.texts.len() > 1 {
                        parts.extend(part.split());
                        continue;
                    }
                    failed.extend(part.texts.into_iter().map(|text| (text.hash, reason.clone())));
                    if failed.len() >= REFUSALS && !self.gate.works() {
                        return Err(unreachable(format!(
                            "the embedding service refused every text so far: {reason}"
                        )));
                    }
                }
                Err(EmbedError::Unusable { reason }) => {
                    return Err(unreachable(format!("the embedding service cannot be used: {reason}")));
                }
                Err(EmbedError::Transient { reason, retry_after }) => {
                    if let Some(silent) = self.gate.given_up() {
                        let seconds = silent.as_secs();
                        return Err(unreachable(format!(
                            "the embedding service gave no vectors for {seconds} s (embedding.deadline_seconds): {reason}"
                        )));
                    }
                    part.failures += 1;
                    let since = *part.since.get_or_insert_with(Instant::now);
                    // Others are answered meanwhile, so these texts may be what it fails on.
                    if part.failures >= PATIENCE && retry_after.is_none() && self.gate.answered_since(since) {
                        if part.texts.len() > 1 {
                            parts.extend(part.split());
                        } else {
                            let reason =
                                format!("the service failed on it {} times: {reason}", part.failures);
                            failed.extend(part.texts.into_iter().map(|text| (text.hash, reason.clone())));
                        }
                        continue;
                    }
                    tracing::debug!(failures = part.failures, "embedding is tried again: {reason}");
                    match retry_after {
                        // It says when it can take more, of anybody.
                        Some(wait) => self.gate.close(wait + jitter(wait / 20)),
                        None => {
                            let wait = WAITS.0.saturating_mul(1 << part.failures.min(16).saturating_sub(1));
                            self.gate.pause(wait.min(WAITS.1) / 2 + jitter(wait.min(WAITS.1) / 2)).await?;
                        }
                    }
                    parts.push(part);
                }
            }
        }
        Ok(failed)
    }

    /// One request, counted. The outer error ends the run.
    async fn once(
        &self,
        texts: &[Text],
        progress: &SourceProgress,
    ) -> Result<Result<Embedded, EmbedError>, Failure> {
        let tokens = texts.iter().map(|text| text.tokens).sum();
        let inputs: Vec<String> = texts.iter().map(|text| text.text.clone()).collect();
        let _permit = self.gate.pass().await?;
        self.cost.reserve(self.priced(tokens))?;
        let answer =
            self.embedder.embed(texts.first().map_or(Kind::Document, |text| text.kind), &inputs).await;
        let billed = answer.as_ref().map_or(0, |embedded| match embedded.tokens {
            0 => tokens,
            said => said,
        });
        self.cost.settle(self.priced(tokens), self.priced(billed));
        progress.used(|used| {
            used.requests += 1;
            used.inputs += texts.len() as u64;
            self.count(used, billed);
        });
        if let Ok(embedded) = &answer
            && embedded.vectors.iter().any(Result::is_ok)
        {
            self.gate.answered(embedded.pace, tokens);
        }
        Ok(answer)
    }
}
