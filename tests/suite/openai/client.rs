//! Asking the miniature without any of our programs.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::Miniature;
use super::miniature::KEY;

pub const MODEL: &str = "text-embedding-3-small";

/// Status, body and headers of an answer.
pub async fn ask(openai: &Miniature, path: &str, request: Value) -> (u16, Value, HeaderMap) {
    ask_as(openai, KEY, path, request).await
}

pub async fn ask_as(openai: &Miniature, key: &str, path: &str, request: Value) -> (u16, Value, HeaderMap) {
    let response = send(openai, key, path, &request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body, headers)
}

/// What came of a request for short vectors: the body, or an error where it did not come whole.
pub async fn embed(openai: &Miniature, texts: &[&str]) -> Result<Value, reqwest::Error> {
    let request = json!({ "model": MODEL, "input": texts, "dimensions": 16 });
    send(openai, KEY, "embeddings", &request).await?.json().await
}

async fn send(
    openai: &Miniature,
    key: &str,
    path: &str,
    request: &Value,
) -> Result<reqwest::Response, reqwest::Error> {
    // reqwest wants a provider even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("{}/{path}", openai.url());
    reqwest::Client::new().post(url).bearer_auth(key).json(request).send().await
}
