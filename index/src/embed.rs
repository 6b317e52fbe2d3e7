//! [`Embedder`]: turns texts into vectors.

use std::time::Duration;

use async_trait::async_trait;

use crate::fingerprint::EmbedderId;
use crate::tokens::Tokenizer;

pub mod configured;
#[cfg(feature = "local")]
pub mod local;
pub mod openai;

/// What a text is, for models that treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A chunk's searchable text.
    Document,
    /// What somebody asks.
    Query,
}

/// A model that turns texts into vectors of one length.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// What decides the vectors.
    fn id(&self) -> &EmbedderId;

    /// Length of the vectors.
    fn dimensions(&self) -> u32;

    /// What counts the tokens that [`Embedder::limits`] speaks of.
    fn tokenizer(&self) -> &Tokenizer;

    /// What one request may hold.
    fn limits(&self) -> Limits;

    /// Dollars for a million tokens; `None` where nobody said.
    fn usd_per_million_tokens(&self) -> Option<f64>;

    /// What is missing before it can be used, known without asking: a key.
    fn lacking(&self) -> Option<String> {
        None
    }

    /// One request: a result for each of `texts`, in their order. It is not tried again here, and
    /// keeping to [`Embedder::limits`] is the caller's part.
    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Embedded, EmbedError>;
}

/// What one request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens of one text, its prefix not counted.
    pub input_tokens: usize,
    /// Texts.
    pub inputs: usize,
    /// Tokens of all texts together.
    pub tokens: usize,
    /// Requests that may be in flight at once.
    pub requests: usize,
}

/// What a request was answered with.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    /// For each text its vector: finite, of length one, as long as it must be; or what was wrong
    /// with what came instead.
    pub vectors: Vec<Result<Vec<f32>, String>>,
    /// Tokens that the service says it counted.
    pub tokens: u64,
    /// What the service says about its rate limits.
    pub pace: Pace,
}

/// What a service said about its rate limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// How many requests.
    pub requests: Option<Left>,
    /// How many tokens.
    pub tokens: Option<Left>,
}

/// What is left of a limit that fills up again steadily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// All of it.
    pub limit: u64,
    /// What may be used now.
    pub remaining: u64,
    /// When it is full again.
    pub reset: Duration,
}

impl Left {
    /// How long until `needed` may be used.
    pub fn wait(&self, needed: u64) -> Duration {
        let missing = needed.min(self.limit).saturating_sub(self.remaining);
        let used = self.limit.saturating_sub(self.remaining).max(1);
        self.reset.mul_f64(missing as f64 / used as f64)
    }
}

/// Why texts were not embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The service is busy, slow or down: trying again later may help.
    #[error("the embedding service did not answer: {reason}")]
    Transient {
        /// What happened.
        reason: String,
        /// How long the service asked to wait.
        retry_after: Option<Duration>,
    },
    /// The service refused these inputs: trying them again will not help.
    #[error("the embedding service refused the input: {reason}")]
    Rejected {
        /// What it said.
        reason: String,
    },
    /// Nothing can be embedded until somebody acts: a wrong key, an unknown model.
    #[error("the embedding service cannot be used: {reason}")]
    Unusable {
        /// What it said, and what to do.
        reason: String,
    },
}

/// `vector` made length one, if it can be: `expected` numbers, all finite, not all zero.
pub fn checked(mut vector: Vec<f32>, expected: u32) -> Result<Vec<f32>, String> {
    if vector.len() != expected as usize {
        return Err(format!("a vector of {} numbers instead of {expected}", vector.len()));
    }
    // In f64: the squares of legal f32 numbers may be no f32.
    let norm = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    if !norm.is_finite() {
        return Err("a vector with a number that is not finite".into());
    }
    if norm == 0.0 {
        return Err("a vector of zeros".into());
    }
    for number in &mut vector {
        *number = (f64::from(*number) / norm) as f32;
    }
    Ok(vector)
}
