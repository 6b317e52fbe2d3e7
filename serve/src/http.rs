//! The HTTP server: `/mcp` behind the token, `/metrics` too; `/health`, `/livez` and `/` for all.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use lectern_index::config::ServeSettings;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, GetMeta, ProtocolVersion, RequestId};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::trace::TraceLayer;

use crate::auth::{Access, is_loopback};
use crate::health;
use crate::mcp::Handler;
use crate::message::{self, Refusal};
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::search::Searcher;

const JSON: &str = "application/json";

/// What a caller of `/` is told.
const WELCOME: &str = "Lectern: documentation search for AI assistants, over MCP.\n\n\
    MCP endpoint   /mcp      (Streamable HTTP)\n\
    Health         /health   /livez\n\
    Metrics        /metrics\n\n\
    Connect Claude Code:  claude mcp add --transport http lectern http://HOST:PORT/mcp\n\
    With a token, add:    --header \"Authorization: Bearer TOKEN\"\n";

/// What the routes share.
pub struct App {
    searcher: Searcher,
    metrics: Arc<Metrics>,
    access: Access,
    max_body_bytes: usize,
    timeout: Duration,
}

impl App {
    /// Serves `searcher` to those that `access` lets in.
    pub fn new(searcher: Searcher, access: Access, settings: &ServeSettings) -> Self {
        Self {
            searcher,
            metrics: Arc::default(),
            access,
            max_body_bytes: settings.max_body_bytes,
            timeout: Duration::from_secs(settings.timeout_seconds),
        }
    }

    /// All routes. `closing` ends what is still running.
    pub fn router(
        self,
        addresses: &[SocketAddr],
        settings: &ServeSettings,
        closing: CancellationToken,
    ) -> Router {
        let handler = Handler::new(self.searcher.clone(), self.metrics.clone(), self.timeout);
        let mcp = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::<NeverSessionManager>::default(),
            protocol(addresses, settings, closing),
        );
        let app = Arc::new(self);
        let authorized = from_fn_with_state(app.clone(), authorize);
        let mcp = Router::new()
            .route_service("/mcp", mcp)
            // Outermost last: what a browser asks first, then the token, then the body, and only
            // whole requests take a place.
            .layer(GlobalConcurrencyLimitLayer::new(settings.max_concurrent))
            .layer(from_fn_with_state(app.clone(), read_message))
            .layer(authorized.clone())
            .layer(cross_origin(Origins::new(&settings.allowed_origins)));
        let metrics = Router::new().route("/metrics", get(metrics)).layer(authorized);
        Router::new()
            .route("/", get(async || WELCOME))
            .route("/livez", get(async || "ok\n"))
            .route("/health", get(health))
            .merge(mcp)
            .merge(metrics)
            .layer(CatchPanicLayer::new())
            .layer(TraceLayer::new_for_http())
            .with_state(app)
    }
}

/// No sessions in either era, JSON rather than event streams, and protection from DNS rebinding.
fn protocol(
    addresses: &[SocketAddr],
    settings: &ServeSettings,
    closing: CancellationToken,
) -> StreamableHttpServerConfig {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(settings.max_body_bytes)
        .with_cancellation_token(closing);
    let config = if settings.allowed_hosts.iter().any(|host| host == "*") {
        config.disable_allowed_hosts()
    } else {
        let loopback = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let bound = addresses.iter().map(|address| address.ip());
        let bound = bound.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
        config.with_allowed_hosts(loopback.into_iter().chain(bound).chain(settings.allowed_hosts.clone()))
    };
    let origins = Origins::new(&settings.allowed_origins);
    if origins.is_any() {
        return config.disable_allowed_origins();
    }
    config.with_allowed_origins(origins.entries())
}

/// Tells browsers that pages of these origins may call, with the headers of the protocol.
fn cross_origin(origins: Origins) -> CorsLayer {
    let [session, version, method, name, event] =
        ["mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"]
            .map(HeaderName::from_static);
    let exposed = [session.clone(), version.clone(), WWW_AUTHENTICATE];
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origin.to_str().is_ok_and(|origin| origins.allow(origin))
        }))
        .allow_methods([Method::POST, Method::GET, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT, session, version, method, name, event])
        .expose_headers(exposed)
        .max_age(Duration::from_secs(3600))
}

/// Lets holders of the token pass.
async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.access.allows(request.headers()) {
        return next.run(request).await;
    }
    app.metrics.record_unauthorized();
    let mut response = (StatusCode::UNAUTHORIZED, "a valid bearer token is required\n").into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lectern\""));
    response
}

/// Reads the message of a POST, so that what is no message gets an answer in the protocol.
async fn read_message(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let limit = app.max_body_bytes;
    let body = match tokio::time::timeout(app.timeout, read(body, limit)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => {
            let message = format!("the request is larger than {limit} bytes");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, None, ErrorData::invalid_request(message, None));
        }
        Ok(Err(_)) => return StatusCode::BAD_REQUEST.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    if is_json(&parts.headers) {
        let refused = match message::parse(&body) {
            Ok(message) => unsupported_version(&parts.headers, &message),
            Err(Refusal { id, error, .. }) => Some((id, error)),
        };
        if let Some((id, error)) = refused {
            return refuse(StatusCode::BAD_REQUEST, id, error);
        }
    }
    if takes_json(&parts.headers) {
        // The transport insists on both types, but only ever answers in JSON.
        parts.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// The whole body; `None` where it is larger than `limit`.
async fn read(body: Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut stream = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if read.len() + piece.len() > limit {
            return Ok(None);
        }
        read.extend_from_slice(&piece);
    }
    Ok(Some(read.into()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(JSON)
}

/// Whether a client takes JSON: it says so, or says nothing.
fn takes_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    accepted.peek().is_none()
        || accepted.flat_map(|value| value.split(',')).any(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            !refused && [JSON, "application/*", "*/*"].iter().any(|json| kind.eq_ignore_ascii_case(json))
        })
}

/// The error for a version in the header that nobody here speaks, and that the message itself does
/// not name: that case the transport answers in the protocol, this one it does not.
fn unsupported_version(
    headers: &HeaderMap,
    message: &ClientJsonRpcMessage,
) -> Option<(Option<RequestId>, ErrorData)> {
    let asked = String::from_utf8_lossy(headers.get("mcp-protocol-version")?.as_bytes());
    let supported = ProtocolVersion::KNOWN_VERSIONS;
    if supported.iter().any(|version| version.as_str() == asked) {
        return None;
    }
    let id = match message {
        ClientJsonRpcMessage::Request(request) => {
            if request.request.get_meta().protocol_version().is_some() {
                return None;
            }
            Some(request.id.clone())
        }
        _ => None,
    };
    let data = json!({"requested": asked, "supported": supported});
    let error = ErrorData::new(
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        format!("unsupported MCP-Protocol-Version: {asked}"),
        Some(data),
    );
    Some((id, error))
}

fn refuse(status: StatusCode, id: Option<RequestId>, error: ErrorData) -> Response {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": error});
    (status, [(CONTENT_TYPE, JSON)], error.to_string()).into_response()
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let health = health::check(&app.searcher).await;
    let status = if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, JSON)], crate::budget::json(&health)).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let status = app.searcher.index.status().await;
    let text = app.metrics.text(&status, chrono::Utc::now());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Serves until `stop`, then lets requests in flight finish, for at most `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
    closing: CancellationToken,
) -> std::io::Result<()> {
    let stopping = CancellationToken::new();
    let server = axum::serve(listener, router).with_graceful_shutdown(stopping.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.unwrap_or_else(|error| Err(std::io::Error::other(error))),
        () = stop => tracing::info!("stopping: requests in flight may finish"),
    }
    stopping.cancel();
    if tokio::time::timeout(grace, &mut server).await.is_err() {
        tracing::warn!(seconds = grace.as_secs(), "some requests did not finish in time");
        closing.cancel();
        server.abort();
    }
    Ok(())
}

/// Says what keeps callers away from `addresses`, where that is likely a mistake.
pub fn advise(addresses: &[SocketAddr], settings: &ServeSettings) {
    if settings.allowed_hosts.is_empty() && !addresses.iter().all(is_loopback) {
        tracing::warn!(
            "only requests to localhost or the address itself are answered: add the names callers use to serve.allowed_hosts"
        );
    }
}

#[cfg(test)]
mod tests;
