//! One conversation with GitHub: counts what is asked, follows redirects, waits for rate limits and
//! tries again what failed by chance, all within one deadline.
//!
//! Redirects are followed here, not by the HTTP client, because of what must not happen: the
//! credentials go to the API's own address and to nothing else, and the address of an archive,
//! which carries a token of its own, is in no message.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use http_body_util::BodyExt;
use octocrab::Octocrab;

use super::credentials::{Credentials, anonymous};
use super::deadline::Deadline;
use super::limits::{self, Quota, Verdict};
use crate::source::Usage;

/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 * 1024;

/// Redirects followed before giving up; GitHub needs two (a renamed repository's archive).
const REDIRECTS: usize = 5;

/// The body of an answer, still arriving.
pub(super) type Body = http_body_util::combinators::BoxBody<bytes::Bytes, octocrab::Error>;

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// GitHub answered, and this is what.
    Status(StatusCode, String),
    /// It did not, or not in time: what happened, and what to do.
    Unreachable(String),
}

/// A client under a deadline.
pub(super) struct Client {
    api: Octocrab,
    base: Uri,
    credentials: Credentials,
    timeout: Duration,
    deadline: Deadline,
    usage: Mutex<Usage>,
}

impl Client {
    /// A client of the API at `base`.
    pub(super) fn new(
        base: Uri,
        credentials: Credentials,
        timeout: Duration,
        deadline: Duration,
    ) -> Result<Self, String> {
        let api = credentials.client(&base, timeout)?;
        let deadline = Deadline::new(deadline);
        Ok(Self { api, base, credentials, timeout, deadline, usage: Mutex::default() })
    }

    /// Begins a run: its deadline and its counts.
    pub(super) fn begin(&self) {
        self.deadline.begin();
        *lock(&self.usage) = Usage::default();
    }

    /// What was asked since the run began.
    pub(super) fn usage(&self) -> Usage {
        lock(&self.usage).clone()
    }

    /// Who asks.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole answer to `GET route`, at most `max` bytes.
    pub(super) async fn bytes(&self, route: &str, accept: &str, max: usize) -> Result<Vec<u8>, Refusal> {
        let mut patience = Patience::default();
        loop {
            let body = self.open(route, accept, &mut patience).await?;
            match self.deadline.in_time(collect(body, max)).await? {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {
                    return Err(Refusal::Unreachable(format!(
                        "GitHub's answer to {route} is longer than {max} bytes"
                    )));
                }
                Err(error) => self.again(&mut patience, &format!("an answer was cut: {error}")).await?,
            }
        }
    }

    /// The answer to `GET route`, read from JSON.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        route: &str,
        accept: &str,
    ) -> Result<T, Refusal> {
        let bytes = self.bytes(route, accept, MAX_JSON).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Refusal::Unreachable(format!(
                "GitHub's answer to {route} is not what was asked for ({error}): check github.base_url"
            ))
        })
    }

    /// The beginning of a good answer to `GET route`. What `patience` is left says how often a caller
    /// who cannot read the body to its end may come again.
    pub(super) async fn open(
        &self,
        route: &str,
        accept: &str,
        patience: &mut Patience,
    ) -> Result<Body, Refusal> {
        loop {
            let trouble = match self.deadline.in_time(self.follow(route, accept)).await? {
                Ok(response) if response.status().is_success() => return Ok(response.into_body()),
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let body = match self.deadline.in_time(collect(body, ERROR_BYTES)).await? {
                        Ok(Some(body)) => body,
                        _ => Vec::new(),
                    };
                    let message = self.message(&body);
                    match limits::verdict(parts.status, &parts.headers, &message, Utc::now()) {
                        Verdict::Answer => return Err(Refusal::Status(parts.status, message)),
                        Verdict::Wait(wait) => {
                            self.wait_for_limit(parts.status, wait, patience).await?;
                            continue;
                        }
                        Verdict::Again => format!("GitHub answers {}", parts.status),
                    }
                }
                Err(Trouble::Passing(reason)) => reason,
                Err(Trouble::Lasting(refusal)) => return Err(refusal),
            };
            self.again(patience, &trouble).await?;
        }
    }

    /// Pauses before something is tried again, or says that it was tried often enough.
    pub(super) async fn again(&self, patience: &mut Patience, trouble: &str) -> Result<(), Refusal> {
        patience.spent += 1;
        if patience.spent >= limits::ATTEMPTS {
            return Err(Refusal::Unreachable(format!(
                "{trouble}; tried {} times: see https://www.githubstatus.com and try again later",
                limits::ATTEMPTS
            )));
        }
        tracing::debug!(attempt = patience.spent, "{trouble}: trying again");
        self.wait(limits::pause(patience.spent, rand()), trouble).await
    }

    async fn wait_for_limit(
        &self,
        status: StatusCode,
        wait: Duration,
        patience: &mut Patience,
    ) -> Result<(), Refusal> {
        patience.limited += 1;
        // Who is told to wait again and again should wait longer each time.
        let wait = wait.max(Duration::from_secs(1)) * patience.limited.min(8);
        let what = match status.is_server_error() {
            true => "GitHub is overloaded",
            false => "GitHub's rate limit is used up",
        };
        self.wait(wait, what).await
    }

    /// Waits, and shows it; refuses a wait that would end after the deadline at once.
    async fn wait(&self, wait: Duration, why: &str) -> Result<(), Refusal> {
        let at = (Utc::now() + wait).to_rfc3339_opts(SecondsFormat::Secs, true);
        if !self.deadline.allows(wait) {
            let token = match self.credentials {
                Credentials::None => " set GITHUB_TOKEN (5,000 requests an hour instead of 60),",
                _ => "",
            };
            return Err(Refusal::Unreachable(format!(
                "{why}, and to go on would mean to wait until {at}, past github.deadline_seconds = {}:{token} raise it, or sync again later",
                self.deadline.length().as_secs(),
            )));
        }
        if wait >= Duration::from_secs(5) {
            tracing::info!("{why}: waiting until {at}");
        }
        lock(&self.usage).waiting = Some(format!("{why}: waiting until {at}"));
        tokio::time::sleep(wait).await;
        lock(&self.usage).waiting = None;
        Ok(())
    }

    /// The deadline that it is under.
    pub(super) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// One request, and those it is redirected to.
    async fn follow(&self, route: &str, accept: &str) -> Result<http::Response<Body>, Trouble> {
        let first: Uri = route.parse().map_err(|_| lasting(format!("{route} is no address")))?;
        let mut response = self.send(&self.api, first, accept).await?;
        for _ in 0..REDIRECTS {
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let moved =
                matches!(response.status(), StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
            response = match self.target(response.headers())? {
                Hop::Inside(address) => {
                    if moved {
                        self.note("the repository was renamed or transferred: write its new name into the configuration");
                    }
                    self.send(&self.api, address, accept).await?
                }
                Hop::Outside(origin, address) => {
                    let stranger = anonymous(&origin, self.timeout).map_err(lasting)?;
                    self.send(&stranger, address, accept).await?
                }
            };
        }
        Err(lasting(format!("GitHub redirects {route} in circles")))
    }

    /// Where a redirect leads: to the API itself, or to whatever else without any credentials.
    fn target(&self, headers: &HeaderMap) -> Result<Hop, Trouble> {
        let bad = || lasting("GitHub redirects to an address that cannot be followed".into());
        let address = headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(bad)?;
        let address: Uri = address.parse().map_err(|_| bad())?;
        let relative =
            address.path_and_query().map_or("/", |it| it.as_str()).parse::<Uri>().map_err(|_| bad())?;
        let here = address.authority().is_none()
            || (address.authority() == self.base.authority() && address.scheme() == self.base.scheme());
        if here && address.path().starts_with(self.base.path()) {
            return Ok(Hop::Inside(relative));
        }
        let scheme = address.scheme_str().or(self.base.scheme_str()).unwrap_or("https");
        if scheme != "https" && self.base.scheme_str() == Some("https") {
            return Err(lasting("GitHub redirects to an address that is not encrypted: not followed".into()));
        }
        let authority = address.authority().or(self.base.authority()).ok_or_else(bad)?.as_str();
        let origin = format!("{scheme}://{authority}").parse().map_err(|_| bad())?;
        Ok(Hop::Outside(origin, relative))
    }

    async fn send(
        &self,
        client: &Octocrab,
        address: Uri,
        accept: &str,
    ) -> Result<http::Response<Body>, Trouble> {
        let accept = HeaderValue::from_str(accept).map_err(|_| lasting(format!("{accept:?} is no type")))?;
        lock(&self.usage).requests += 1;
        match client._get_with_headers(address, Some(HeaderMap::from_iter([(ACCEPT, accept)]))).await {
            Ok(response) => {
                if let Some(quota) = limits::quota(response.headers()) {
                    self.remember(quota);
                }
                Ok(response)
            }
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// What an error of the client means. One that GitHub answered can only be about the App's token,
    /// which the client asks for by itself.
    fn trouble(&self, error: octocrab::Error) -> Trouble {
        match error {
            octocrab::Error::GitHub { source, .. } => {
                let headers = source.headers.clone().unwrap_or_default();
                let message = self.credentials.redact(&source.message);
                match limits::verdict(source.status_code, &headers, &message, Utc::now()) {
                    Verdict::Answer => Trouble::Lasting(Refusal::Unreachable(format!(
                        "GitHub gives the App no token ({} {message}): check github.app_id, github.installation_id and GITHUB_APP_PRIVATE_KEY",
                        source.status_code.as_u16()
                    ))),
                    _ => Trouble::Passing("GitHub gives the App no token at the moment".into()),
                }
            }
            octocrab::Error::JWT { .. } => {
                lasting("GITHUB_APP_PRIVATE_KEY cannot sign: is it an RSA key?".into())
            }
            other => Trouble::Passing(format!(
                "{} cannot be reached: {}",
                self.base,
                self.credentials.redact(&chain(&other))
            )),
        }
    }

    fn message(&self, body: &[u8]) -> String {
        let message = serde_json::from_slice::<super::answers::ErrorBody>(body).unwrap_or_default().message;
        let clean: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
        self.credentials.redact(&clean)
    }

    fn remember(&self, quota: Quota) {
        let mut usage = lock(&self.usage);
        usage.requests_left = Some(quota.left);
        usage.resets_at = DateTime::from_timestamp(quota.resets_at, 0)
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    }

    fn note(&self, note: &str) {
        let mut usage = lock(&self.usage);
        if !usage.notes.iter().any(|known| known == note) {
            usage.notes.push(note.to_owned());
        }
    }
}

/// Bytes of JSON that are read: GitHub cuts trees at 7 MB.
const MAX_JSON: usize = 64 * 1024 * 1024;

/// How often something was tried.
#[derive(Debug, Default)]
pub(super) struct Patience {
    spent: u32,
    limited: u32,
}

enum Hop {
    Inside(Uri),
    Outside(Uri, Uri),
}

enum Trouble {
    Passing(String),
    Lasting(Refusal),
}

fn lasting(reason: String) -> Trouble {
    Trouble::Lasting(Refusal::Unreachable(reason))
}

/// The body, or `None` if it is longer than `max`; never more than that is held.
async fn collect(mut body: Body, max: usize) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| chain(&error))?.into_data() else { continue };
        if bytes.len() + data.len() > max {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// An error with its causes, each once: the outermost alone often says nothing.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text =
            text.strip_prefix("Service Error: ").or(text.strip_prefix("Hyper Error: ")).unwrap_or(&text);
        if !said.iter().any(|known| known.contains(text)) {
            said.push(text.to_owned());
        }
        next = error.source();
    }
    said.join(": ")
}

/// A number from 0 to 1 that differs between processes and calls; not for secrets.
fn rand() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    (RandomState::new().build_hasher().finish() % 1000) as f64 / 1000.0
}

/// What is guarded stays good: a thread that panicked has only read or written whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
