//! A service that speaks OpenAI's protocol: one call is one request, and what a failed one means is
//! decided here.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use super::answer;
use crate::embed::EmbedError;

/// The service at one address.
pub(super) struct Service {
    base_url: String,
    key: Option<SecretString>,
    timeout: Duration,
    /// The section of the settings that it comes from, for advice.
    section: &'static str,
    client: Client<OpenAIConfig>,
    http: reqwest::Client,
    /// Whether the service is OpenAI itself: others may not know base64.
    pub(super) genuine: bool,
}

impl Service {
    /// Nothing is sent yet. Fails where no HTTP client can be made, as without any certificates on
    /// the machine.
    pub(super) fn new(
        base_url: &str,
        key: Option<SecretString>,
        timeout: Duration,
        section: &'static str,
    ) -> Result<Self, reqwest::Error> {
        // Fails only where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .build()?;
        let secret = key.as_ref().map_or("", |key| key.expose_secret());
        let config = OpenAIConfig::default().with_api_base(base_url).with_api_key(secret);
        let client = Client::build(http.clone(), config);
        let genuine = base_url.starts_with("https://api.openai.com/");
        Ok(Self { base_url: base_url.to_owned(), key, timeout, section, client, http, genuine })
    }

    /// Whether a key is needed and there is none.
    pub(super) fn lacks_key(&self) -> bool {
        self.genuine && self.key.is_none()
    }

    /// Sends one request; the answer comes with its headers.
    pub(super) async fn ask<A, F>(
        &self,
        call: impl FnOnce(Client<OpenAIConfig>) -> F,
    ) -> Result<(A, HeaderMap), EmbedError>
    where
        F: Future<Output = Result<A, OpenAIError>>,
    {
        let seen = Arc::default();
        let service = Watched { http: self.http.clone(), seen: Arc::clone(&seen) };
        let answered = call(self.client.clone().with_http_service(service)).await;
        let seen = seen.lock().ok().and_then(|mut seen| seen.take());
        match answered {
            Ok(answer) => Ok((answer, seen.map(|(_, headers)| headers).unwrap_or_default())),
            Err(OpenAIError::JSONDeserialize(..)) if seen.as_ref().is_some_and(|(s, _)| s.is_success()) => {
                Err(EmbedError::Transient {
                    reason: format!("{} answered with something else than was asked for", self.base_url),
                    retry_after: None,
                })
            }
            Err(error) => Err(self.explain(error, seen)),
        }
    }

    /// What a request that was not answered as it should means.
    fn explain(&self, error: OpenAIError, seen: Option<(StatusCode, HeaderMap)>) -> EmbedError {
        let section = self.section;
        let transient = |reason: String| EmbedError::Transient { reason, retry_after: None };
        let error = match error {
            OpenAIError::Reqwest(error) if error.is_builder() => {
                return EmbedError::Unusable {
                    reason: format!("{} is no address: check {section}.base_url", self.base_url),
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
            404 => unusable(&format!("check {section}.model and {section}.base_url")),
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
            return format!("no answer from {} within {:?}", self.base_url, self.timeout);
        }
        format!("{}: {}", self.base_url, self.redacted(&source.to_string()))
    }

    /// The beginning of what a server said, without the key, in one line.
    fn redacted(&self, said: &str) -> String {
        let key = self.key.as_ref().map_or("", |key| key.expose_secret());
        let said = if key.is_empty() { said.to_owned() } else { said.replace(key, "[key]") };
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(300) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None if line.is_empty() => "an empty answer".into(),
            None => line,
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
