//! Embeddings of OpenAI, and of every server that speaks its protocol.
//!
//! One call is one request (<https://platform.openai.com/docs/api-reference/embeddings/create>).
//! What a failed one means is decided here; when to try again is decided by the caller, who knows
//! what else is under way.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_trait::async_trait;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::embed::{EmbedError, Embedded, Embedder, Kind, Limits};
use crate::fingerprint::EmbedderId;
use crate::tokens::Tokenizer;

mod answer;

use answer::Answer;

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
    client: Client<OpenAIConfig>,
    http: reqwest::Client,
    /// Whether the service is OpenAI itself: others may not know base64.
    genuine: bool,
}

impl OpenAi {
    /// A client; nothing is sent yet. Fails where no HTTP client can be made, as without any
    /// certificates on the machine.
    pub fn new(options: Options) -> Result<Self, reqwest::Error> {
        // Fails only where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(10)))
            .build()?;
        let key = options.key.as_ref().map_or("", |key| key.expose_secret());
        let config = OpenAIConfig::default().with_api_base(&options.base_url).with_api_key(key);
        let (document, query) = (&options.prefixes.0, &options.prefixes.1);
        let id = EmbedderId::new("openai", &options.model, options.dimensions, (document, query));
        let prefix = if document.is_empty() { 0 } else { options.tokenizer.count(document) };
        let limits = Limits {
            input_tokens: options.input_tokens.saturating_sub(prefix).max(1),
            inputs: BATCH.0.min(INPUTS),
            tokens: BATCH.1.min(TOKENS),
            requests: options.requests,
        };
        let genuine = options.base_url.starts_with("https://api.openai.com/");
        Ok(Self { id, limits, client: Client::build(http.clone(), config), http, genuine, options })
    }

    /// What a request that was not answered with vectors means.
    fn explain(&self, error: OpenAIError, seen: Option<(StatusCode, HeaderMap)>) -> EmbedError {
        let transient = |reason: String| EmbedError::Transient { reason, retry_after: None };
        let error = match error {
            OpenAIError::Reqwest(error) if error.is_builder() => {
                return EmbedError::Unusable {
                    reason: format!("{} is no address: check embedding.base_url", self.options.base_url),
                };
            }
            OpenAIError::Reqwest(error) => return transient(self.connection(&error)),
            other => other,
        };
        let Some((status, headers)) = seen else { return transient(self.redacted(&error.to_string())) };
        let (said, code) = match &error {
            OpenAIError::ApiError(answered) => {
                let api = &answered.api_error;
                (api.message.clone(), [&api.code, &api.r#type].map(|text| text.clone().unwrap_or_default()))
            }
            OpenAIError::JSONDeserialize(_, content) => (content.clone(), Default::default()),
            other => (other.to_string(), Default::default()),
        };
        let reason = format!("{status}: {}", self.redacted(&said));
        let unusable = |advice: &str| EmbedError::Unusable { reason: format!("{reason}; {advice}") };
        match status.as_u16() {
            401 | 403 => unusable("check OPENAI_API_KEY"),
            404 => unusable("check embedding.model and embedding.base_url"),
            429 if code.iter().any(|code| code == "insufficient_quota") => {
                unusable("the account has no credit left")
            }
            400 | 413 | 422 => EmbedError::Rejected { reason },
            _ => EmbedError::Transient { reason, retry_after: answer::retry_after(&headers) },
        }
    }

    fn connection(&self, error: &reqwest::Error) -> String {
        // The innermost reason is the telling one: "connection refused".
        let mut source: &dyn std::error::Error = error;
        while let Some(inner) = source.source() {
            source = inner;
        }
        if error.is_timeout() {
            return format!("no answer from {} within {:?}", self.options.base_url, self.options.timeout);
        }
        format!("{}: {}", self.options.base_url, self.redacted(&source.to_string()))
    }

    /// The beginning of what a server said, without the key, in one line.
    fn redacted(&self, said: &str) -> String {
        let key = self.options.key.as_ref().map_or("", |key| key.expose_secret());
        let said = if key.is_empty() { said.to_owned() } else { said.replace(key, "[key]") };
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(300) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None if line.is_empty() => "an empty answer".into(),
            None => line,
        }
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
        (self.genuine && self.options.key.is_none()).then(|| {
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
            encoding_format: if self.genuine { "base64" } else { "float" },
            // Only these models can shorten their vectors; others refuse the parameter.
            dimensions: self.options.model.starts_with("text-embedding-3").then_some(self.options.dimensions),
        };
        let seen = Arc::default();
        let service = Watched { http: self.http.clone(), seen: Arc::clone(&seen) };
        let client = self.client.clone().with_http_service(service);
        let answered: Result<Answer, OpenAIError> = client.embeddings().create_byot(request).await;
        let seen = seen.lock().ok().and_then(|mut seen| seen.take());
        match answered {
            Ok(answer) => {
                let pace = seen.map(|(_, headers)| answer::pace(&headers)).unwrap_or_default();
                Ok(answer.embedded(texts.len(), self.options.dimensions, pace))
            }
            Err(OpenAIError::JSONDeserialize(..)) if seen.as_ref().is_some_and(|(s, _)| s.is_success()) => {
                Err(EmbedError::Transient {
                    reason: format!("{} answered with no embeddings", self.options.base_url),
                    retry_after: None,
                })
            }
            Err(error) => Err(self.explain(error, seen)),
        }
    }
}

/// Sends a request once and remembers status and headers of the answer, which async-openai keeps to
/// itself.
#[derive(Clone)]
struct Watched {
    http: reqwest::Client,
    seen: Arc<Mutex<Option<(StatusCode, HeaderMap)>>>,
}

impl tower::Service<HttpRequestFactory> for Watched {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<reqwest::Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let Self { http, seen } = self.clone();
        Box::pin(async move {
            let response = http.execute(request.build().await?).await?;
            if let Ok(mut seen) = seen.lock() {
                *seen = Some((response.status(), response.headers().clone()));
            }
            Ok(response)
        })
    }
}
