//! [`Embedder`]: turns texts into vectors.

use async_trait::async_trait;

use crate::fingerprint::EmbedderId;

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

    /// Vectors for `texts`, in their order: each finite, of length one, `dimensions` long.
    /// One request's worth: the caller keeps to the limits of the service.
    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;
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
        retry_after: Option<std::time::Duration>,
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
