//! Answers as GitHub words them.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json as value};

pub fn json(status: StatusCode, body: &Value) -> Response {
    let text = body.to_string();
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::ETAG, format!("W/\"{:x}\"", text.len()))
        .body(Body::from(text))
        .unwrap()
}

pub fn raw(content: Vec<u8>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/vnd.github.raw+json; charset=utf-8")
        .body(Body::from(content))
        .unwrap()
}

pub fn error(status: u16, message: &str) -> Response {
    let body = value!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    json(StatusCode::from_u16(status).unwrap(), &body)
}

pub fn redirect(status: StatusCode, to: &str) -> Response {
    let body = value!({ "message": "Moved Permanently", "url": to });
    let mut response = json(status, &body);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(to).unwrap());
    response
}

/// Every answer of the API says how much is left of the hour.
pub fn with_quota(mut response: Response, remaining: i64) -> Response {
    let reset = now() + 3600;
    for (name, value) in [
        ("x-ratelimit-limit", 5000),
        ("x-ratelimit-remaining", remaining),
        ("x-ratelimit-used", 5000 - remaining),
        ("x-ratelimit-reset", reset),
    ] {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name, HeaderValue::from(value));
        }
    }
    response
}

/// What a JSON Web Token claims; its signature is not checked.
pub fn claims(token: &str) -> Option<String> {
    let middle = token.split('.').nth(1)?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(middle).ok()?).ok()
}

pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

pub fn from_now(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(now() + seconds, 0).unwrap().to_rfc3339()
}
