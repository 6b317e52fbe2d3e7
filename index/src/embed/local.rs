//! Vectors from a model on this machine: a BERT-like one in a folder as sentence-transformers saves
//! it, computed by candle.
//!
//! However many requests there are and whatever they hold, no more texts are computed at once than
//! there are cores, in batches of [`BATCH_TOKENS`]: that bounds the memory.

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{EmbedError, Embedded, Embedder, Kind, Limits};
use crate::config::EmbeddingSettings;
use crate::fingerprint::EmbedderId;
use crate::tokens::Tokenizer;

mod batch;
mod folder;
mod model;

use folder::Folder;
use model::{Model, Pooling};

/// Texts of a request. The more, the better they can be sorted by length; the fewer, the less is
/// lost with a run that dies.
const INPUTS: usize = 128;

/// Tokens of a request: [`INPUTS`] passages of the usual length.
const TOKENS: usize = 32 * 1024;

/// Why a local model cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadModel(String);

/// A model on this machine: free of charge, and nothing leaves the machine.
pub struct LocalEmbedder {
    id: EmbedderId,
    limits: Limits,
    cores: usize,
    free_cores: Arc<Semaphore>,
    loaded: Arc<Loaded>,
}

/// What computes.
struct Loaded {
    model: Model,
    pooling: Pooling,
    dimensions: u32,
    tokenizer: Tokenizer,
    /// Tokens the model reads of a text, prefix and special tokens included.
    limit: usize,
    document_prefix: String,
    query_prefix: String,
}

/// Loads the model in the folder that `model_dir` names. Takes as much memory as its weights are
/// large, and twice that while it loads.
pub fn open(settings: &EmbeddingSettings) -> Result<LocalEmbedder, BadModel> {
    let Some(dir) = &settings.model_dir else {
        return Err(BadModel(
            "embedding.model_dir is not set: it is the folder of a model, as sentence-transformers saves it"
                .into(),
        ));
    };
    let folder = Folder::read(dir)?;
    let dimensions = folder.architecture.dimensions();
    if settings.dimensions.is_some_and(|wanted| wanted != dimensions) {
        return Err(BadModel(format!(
            "embedding.dimensions: the vectors of {} have {dimensions}; remove the setting",
            dir.display()
        )));
    }
    if settings.tokenizer.is_some() {
        return Err(BadModel("embedding.tokenizer: a local model brings its own; remove the setting".into()));
    }
    let document_prefix = settings.document_prefix.clone().unwrap_or(folder.document_prefix);
    let query_prefix = settings.query_prefix.clone().unwrap_or(folder.query_prefix);
    let limit = settings.max_input_tokens.map_or(folder.limit, |limit| folder.limit.min(limit as usize));

    let weights = read(&folder.weights)?;
    let mut hash = Sha256::new();
    // What decides a vector, and nothing of where it lies.
    for part in [&weights, &read(&folder.config)?, &read(&folder.tokenizer)?] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(folder.pooling.name());
    let name = format!("{}@{}", folder.name, &hex::encode(hash.finalize())[..12]);
    let id = EmbedderId::new("local", &name, dimensions, (&document_prefix, &query_prefix));

    let tokenizer = Tokenizer::from_file(&folder.tokenizer).map_err(|error| BadModel(error.to_string()))?;
    // The special tokens around a text are in every count of it, so here they would be twice.
    let prefix = tokenizer.count(&document_prefix) - tokenizer.count("");
    if limit <= prefix + tokenizer.count("") {
        return Err(BadModel(format!(
            "{}: of the {limit} tokens that the model may read, prefix and special tokens leave none for a text",
            dir.display()
        )));
    }
    let limits =
        Limits { input_tokens: limit - prefix, inputs: INPUTS, tokens: TOKENS.max(limit), requests: 1 };
    let model = Model::load(&folder.architecture, weights).map_err(|error| {
        BadModel(format!(
            "{}: {error}; is it what {} describes?",
            folder.weights.display(),
            folder.config.display()
        ))
    })?;
    let pooling = folder.pooling;
    let loaded = Loaded { model, pooling, dimensions, tokenizer, limit, document_prefix, query_prefix };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let free_cores = Arc::new(Semaphore::new(cores));
    Ok(LocalEmbedder { id, limits, cores, free_cores, loaded: Arc::new(loaded) })
}

fn read(path: &Path) -> Result<Vec<u8>, BadModel> {
    std::fs::read(path).map_err(|error| BadModel(format!("{}: {error}", path.display())))
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn id(&self) -> &EmbedderId {
        &self.id
    }

    fn dimensions(&self) -> u32 {
        self.loaded.dimensions
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.loaded.tokenizer
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn usd_per_million_tokens(&self) -> Option<f64> {
        Some(0.0)
    }

    /// What the model does not read of a text that is too long has no part in its vector.
    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Embedded, EmbedError> {
        let prefix = match kind {
            Kind::Document => &self.loaded.document_prefix,
            Kind::Query => &self.loaded.query_prefix,
        };
        // As the reference does it: white space around a text is no part of it.
        let texts: Vec<String> =
            texts.iter().map(|text| format!("{prefix}{text}").trim().to_owned()).collect();
        let cores = texts.len().clamp(1, self.cores);
        let failed = |reason: String| EmbedError::Unusable { reason };
        let permit = self.free_cores.clone().acquire_many_owned(cores as u32).await;
        let permit = permit.map_err(|error| failed(error.to_string()))?;
        let loaded = self.loaded.clone();
        let computed = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where nobody waits for it any longer.
            let _permit = permit;
            batch::embed(&loaded, &texts, cores)
        });
        computed.await.map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
