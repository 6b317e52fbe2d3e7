//! Refusals as OpenAI words them.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::json;

/// Tokens of a text, counted by the reference.
pub fn tokens(text: &str) -> usize {
    tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len()
}

/// An answer that is none.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub headers: HeaderMap,
}

impl Refusal {
    pub fn new(
        status: u16,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self { status, message: message.into(), kind, code, headers: HeaderMap::new() })
    }

    pub fn invalid(message: impl Into<String>) -> Box<Self> {
        Self::new(400, "invalid_request_error", None, message)
    }

    pub fn unknown_model(model: &str) -> Box<Self> {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(404, "invalid_request_error", Some("model_not_found"), message)
    }

    pub fn unknown_path(path: &str) -> Box<Self> {
        Self::new(
            404,
            "invalid_request_error",
            Some("unknown_url"),
            format!("Unknown request URL: POST {path}."),
        )
    }

    pub fn quota() -> Box<Self> {
        let message = "You exceeded your current quota, please check your plan and billing details.";
        Self::new(429, "insufficient_quota", Some("insufficient_quota"), message)
    }

    pub fn server(status: u16) -> Box<Self> {
        let message = "The server had an error while processing your request. Sorry about that!";
        Self::new(status, "server_error", None, message)
    }

    pub fn response(self) -> Response {
        let body = json!({ "error": {
            "message": self.message, "type": self.kind, "param": null, "code": self.code } });
        let mut response = text(self.status, "application/json", body.to_string());
        response.headers_mut().extend(self.headers);
        response
    }
}

pub fn text(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

/// A wrong key is repeated in the answer, as OpenAI does: the ends in clear, the middle as stars.
pub fn check_key(authorization: Option<&str>, right: &str) -> Result<(), Box<Refusal>> {
    let refused = |code, message| Err(Refusal::new(401, "invalid_request_error", code, message));
    match authorization.and_then(|it| it.strip_prefix("Bearer ")) {
        None => refused(None, "You didn't provide an API key.".into()),
        Some(key) if key == right => Ok(()),
        Some(key) => {
            let ends = (key.get(..8).unwrap_or(""), key.get(key.len().saturating_sub(4)..).unwrap_or(""));
            let message = format!("Incorrect API key provided: {}********{}.", ends.0, ends.1);
            refused(Some("invalid_api_key"), message)
        }
    }
}
