//! Embeddings of OpenAI, and of every server that speaks its protocol.
//!
//! One call is one request (<https://platform.openai.com/docs/api-reference/embeddings/create>).
//! When to try again is decided by the caller, who knows what else is under way.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::Serialize;

use crate::embed::{EmbedError, Embedded, Embedder, Kind, Limits};
use crate::fingerprint::EmbedderId;
use crate::tokens::Tokenizer;

mod answer;
mod chat;
mod service;

pub use chat::{Chat, Completion};

use answer::Answer;
use service::Service;

/// Where requests go when nothing else is said.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// Tokens of one text that OpenAI's models read.
pub const INPUT_TOKENS: usize = 8192;

/// Texts and tokens that OpenAI takes in one request
/// (<https://platform.openai.com/docs/api-reference/embeddings/create>).
const INPUTS: usize = 2048;
const TOKENS: usize = 300_000;

/// Texts and tokens sent in one request. Fewer than are allowed: a large request that is lost is
/// a lot to do again, and small ones keep several in flight.
const BATCH: (usize, usize) = (128, 65_536);

/// What OpenAI's models are called, the length of their vectors, and dollars for a million tokens
/// (<https://platform.openai.com/docs/pricing>, November 2026).
const MODELS: &[(&str, u32, f64)] = &[
    ("text-embedding-3-small", 1536, 0.02),
    ("text-embedding-3-large", 3072, 0.13),
    ("text-embedding-ada-002", 1536, 0.10),
];

/// Length of the vectors of a model of OpenAI, and its price for a million tokens in dollars.
pub fn known(model: &str) -> Option<(u32, f64)> {
    MODELS.iter().find(|(name, ..)| *name == model).map(|&(_, dimensions, price)| (dimensions, price))
}

/// What an [`OpenAi`] is made of.
pub struct Options {
    /// The model's name.
    pub model: String,
    /// Length of the vectors.
    pub dimensions: u32,
    /// Address up to and with `/v1`, without a slash at the end.
    pub base_url: String,
    /// The key; a server of one's own may need none.
    pub key: Option<SecretString>,
    /// What counts tokens.
    pub tokenizer: Tokenizer,
    /// Tokens the model reads of one text, prefix included.
    pub input_tokens: usize,
    /// What goes in front of a document and of a query.
    pub prefixes: (String, String),
    /// Dollars for a million tokens.
    pub price: Option<f64>,
    /// Requests in flight at once.
    pub requests: usize,
    /// How long one request may take.
    pub timeout: Duration,
}

/// OpenAI's embeddings.
pub struct OpenAi {
    options: Options,
    id: EmbedderId,
    limits: Limits,
    service: Service,
}

impl OpenAi {
    /// A client; nothing is sent yet. Fails where no HTTP client can be made, as without any
    /// certificates on the machine.
    pub fn new(options: Options) -> Result<Self, reqwest::Error> {
        let service = Service::new(&options.base_url, options.key.clone(), options.timeout, "embedding")?;
        let (document, query) = (&options.prefixes.0, &options.prefixes.1);
        let id = EmbedderId::new("openai", &options.model, options.dimensions, (document, query));
        let prefix = if document.is_empty() { 0 } else { options.tokenizer.count(document) };
        let limits = Limits {
            input_tokens: options.input_tokens.saturating_sub(prefix).max(1),
            inputs: BATCH.0.min(INPUTS),
            tokens: BATCH.1.min(TOKENS),
            requests: options.requests,
        };
        Ok(Self { id, limits, service, options })
    }
}

/// The body of a request.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<String>,
    encoding_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[async_trait]
impl Embedder for OpenAi {
    fn id(&self) -> &EmbedderId {
        &self.id
    }

    fn dimensions(&self) -> u32 {
        self.options.dimensions
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.options.tokenizer
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn usd_per_million_tokens(&self) -> Option<f64> {
        self.options.price
    }

    fn lacking(&self) -> Option<String> {
        self.service.lacks_key().then(|| {
            "OPENAI_API_KEY is not set: set it (a file .env will do), or leave [embedding] out for lexical search".into()
        })
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Embedded, EmbedError> {
        if let Some(reason) = self.lacking() {
            return Err(EmbedError::Unusable { reason });
        }
        let prefix = match kind {
            Kind::Document => &self.options.prefixes.0,
            Kind::Query => &self.options.prefixes.1,
        };
        let request = Request {
            model: &self.options.model,
            input: texts.iter().map(|text| format!("{prefix}{text}")).collect(),
            encoding_format: if self.service.genuine { "base64" } else { "float" },
            // Only these models can shorten their vectors; others refuse the parameter.
            dimensions: self.options.model.starts_with("text-embedding-3").then_some(self.options.dimensions),
        };
        let (answer, headers): (Answer, _) =
            self.service.ask(|client| async move { client.embeddings().create_byot(request).await }).await?;
        Ok(answer.embedded(texts.len(), self.options.dimensions, answer::pace(&headers)))
    }
}
