//! An OpenAI in miniature: `POST /v1/embeddings` and `POST /v1/chat/completions` over real HTTP,
//! shaped as OpenAI's API reference says, every misbehaviour as a switch, and everything counted.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::Value;

mod answer;
mod body;
mod chat;
mod count;
mod embeddings;
mod fault;
mod geometry;
mod limit;

pub use count::Counts;
pub use fault::Fault;
pub use geometry::vector;
pub use limit::{RateLimit, spelled};

use answer::{Refusal, tokens};

/// The key that is right.
pub const KEY: &str = "sk-TESTSECRETopenai0123456789";

/// What can be set from outside.
struct Settings {
    key: String,
    /// Models and the length of their vectors.
    models: HashMap<String, u32>,
    latency: Duration,
    /// A request with a text that contains this is refused.
    refused: Option<String>,
    faults: fault::Faults,
    limit: Option<limit::Buckets>,
}

struct State {
    settings: Mutex<Settings>,
    counts: Mutex<Counts>,
}

/// The running server; it ends with the test's process.
pub struct Miniature {
    state: Arc<State>,
    address: SocketAddr,
}

impl Miniature {
    /// Starts on a port of its own, on loopback, behaving well. It knows OpenAI's embedding models.
    pub fn start() -> Self {
        let models = [
            ("text-embedding-3-small", 1536),
            ("text-embedding-3-large", 3072),
            ("text-embedding-ada-002", 1536),
        ];
        let settings = Settings {
            key: KEY.into(),
            models: models.map(|(name, length)| (name.to_owned(), length)).into(),
            latency: Duration::ZERO,
            refused: None,
            faults: fault::Faults::default(),
            limit: None,
        };
        let state = Arc::new(State { settings: settings.into(), counts: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let for_server = state.clone();
        std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(serve(listener, for_server));
        });
        Self { state, address }
    }

    /// What `OPENAI_BASE_URL` is set to.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state.settings.lock().unwrap());
    }

    /// Only this key is let in from now on.
    pub fn expect_key(&self, key: &str) {
        self.set(|it| it.key = key.into());
    }

    /// Knows one more model.
    pub fn know(&self, model: &str, dimensions: u32) {
        self.set(|it| {
            it.models.insert(model.into(), dimensions);
        });
    }

    /// Every answer takes at least so long.
    pub fn latency(&self, latency: Duration) {
        self.set(|it| it.latency = latency);
    }

    /// Refuses requests with a text that contains `marker`, without saying which text that is.
    pub fn refuse(&self, marker: &str) {
        self.set(|it| it.refused = Some(marker.into()));
    }

    /// Lets no more through than this, beginning with full buckets.
    pub fn limit(&self, limit: RateLimit) {
        self.set(|it| it.limit = Some(limit::Buckets::full(limit, Instant::now())));
    }

    /// Answers the next `times` requests with a fault; after those that were planned before.
    pub fn plan(&self, times: usize, fault: Fault) {
        self.set(|it| it.faults.plan(times, fault));
    }

    /// From now on answers this share of requests, where nothing is planned, with one of `faults`.
    /// Which ones follows from `seed` and the number of the request alone.
    pub fn misbehave(&self, seed: u64, share: f64, faults: &[Fault]) {
        self.set(|it| it.faults.at_random(seed, share, faults));
    }

    /// Behaves well from now on: no faults, no latency, no limit, nothing refused.
    pub fn recover(&self) {
        self.set(|it| {
            it.faults = fault::Faults::default();
            it.latency = Duration::ZERO;
            it.limit = None;
            it.refused = None;
        });
    }

    /// What was counted since this was last called.
    pub fn take_counts(&self) -> Counts {
        let mut counts = self.state.counts.lock().unwrap();
        let in_flight = counts.in_flight;
        std::mem::replace(&mut counts, Counts { in_flight, most_in_flight: in_flight, ..Counts::default() })
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.state.counts.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let app = Router::new().fallback(move |request: Request| handle(state.clone(), request));
    axum::serve(listener, app).await.unwrap();
}

/// A request that is being answered: everything that is known before its answer is made.
struct Asked {
    path: String,
    authorization: Option<String>,
    body: Bytes,
}

/// What is sent when all goes well, and which inputs are answered by it.
pub struct Answer {
    body: Value,
    answered: Vec<String>,
}

async fn handle(state: Arc<State>, request: Request) -> Response {
    let mut flight = count::Flight::take_off(&state);
    let (parts, body) = request.into_parts();
    // A client that was killed while it asked.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return Response::default() };
    let authorization = parts.headers.get(header::AUTHORIZATION).map(|it| it.to_str().unwrap().to_owned());
    let asked = Asked { path: parts.uri.path().to_owned(), authorization, body };
    let (fault, latency) = {
        let mut settings = state.settings.lock().unwrap();
        (settings.faults.next(), settings.latency)
    };
    if let Some(fault) = &fault {
        flight.fault(fault);
    }
    tokio::time::sleep(latency).await;
    if let Some(Fault::Silent(time)) = fault {
        tokio::time::sleep(time).await;
    }
    if let Some(response) = fault.as_ref().and_then(Fault::instead) {
        return response;
    }
    match state.answer(&asked, fault.as_ref()) {
        Ok((answer, headers)) => body::send(answer, headers, fault, flight),
        Err(refusal) => {
            flight.settle();
            refusal.response()
        }
    }
}

impl State {
    /// The answer, with what the rate limit has to say; or why there is none.
    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> Result<(Answer, HeaderMap), Box<Refusal>> {
        let (key, models, refused) = {
            let settings = self.settings.lock().unwrap();
            (settings.key.clone(), settings.models.clone(), settings.refused.clone())
        };
        answer::check_key(asked.authorization.as_deref(), &key)?;
        let request: Value = serde_json::from_slice(&asked.body)
            .map_err(|_| Refusal::invalid("We could not parse the JSON body of your request."))?;
        match asked.path.as_str() {
            "/v1/embeddings" => {
                let request = embeddings::Request::read(&request, &models)?;
                self.counts.lock().unwrap().embeddings(&request);
                request.check(refused.as_deref())?;
                let headers = self.admit(&request.model, request.tokens())?;
                Ok((request.answer(fault), headers))
            }
            "/v1/chat/completions" => {
                let request = chat::Request::read(&request)?;
                self.counts.lock().unwrap().chats += 1;
                let headers = self.admit(&request.model, tokens(&request.text) as u64)?;
                Ok((request.answer(), headers))
            }
            path => Err(Refusal::unknown_path(path)),
        }
    }

    fn admit(&self, model: &str, tokens: u64) -> Result<HeaderMap, Box<Refusal>> {
        let mut settings = self.settings.lock().unwrap();
        let Some(buckets) = settings.limit.as_mut() else { return Ok(HeaderMap::new()) };
        let admitted = buckets.admit(model, tokens, Instant::now());
        match &admitted {
            Ok(_) => self.counts.lock().unwrap().admitted_tokens += tokens,
            Err(_) => self.counts.lock().unwrap().over_limit += 1,
        }
        admitted
    }
}
