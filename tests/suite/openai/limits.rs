//! The rate limit is enforced, and what it says of itself is true.

use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use serde_json::json;

use super::client::{MODEL, ask};
use super::miniature::spelled;
use super::{Miniature, RateLimit};

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_until_the_time_that_was_said() {
    let openai = Miniature::start();
    let burst = Duration::from_secs(1);
    openai.limit(RateLimit { requests_per_minute: 120.0, tokens_per_minute: 6000.0, burst });
    let request = || json!({ "model": MODEL, "input": "word", "dimensions": 4 });
    let (status, _, headers) = ask(&openai, "embeddings", request()).await;
    assert_eq!((status, header(&headers, "x-ratelimit-limit-requests")), (200, "2"));
    assert_eq!(header(&headers, "x-ratelimit-remaining-tokens"), "99");
    let mut refused = 0;
    let wait = loop {
        let (status, body, headers) = ask(&openai, "embeddings", request()).await;
        if status == 429 {
            refused += 1;
            assert_eq!(body["error"]["code"], "rate_limit_exceeded");
            assert_eq!(header(&headers, "x-ratelimit-remaining-requests"), "0");
            assert!(header(&headers, "x-ratelimit-reset-requests").ends_with('s'));
            assert_eq!(header(&headers, "retry-after"), "1");
            break header(&headers, "retry-after-ms").parse().unwrap();
        }
    };
    assert!(wait <= 500, "half a second brings one more");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(ask(&openai, "embeddings", request()).await.0, 200);
    assert_eq!(openai.counts().over_limit, refused);
}

#[tokio::test]
async fn tokens_come_no_faster_than_the_limit() {
    let openai = Miniature::start();
    let burst = Duration::from_millis(200);
    openai.limit(RateLimit { requests_per_minute: 1e6, tokens_per_minute: 60_000.0, burst });
    let text = "word ".repeat(50);
    let started = Instant::now();
    while openai.counts().answered_requests < 12 {
        let request = json!({ "model": MODEL, "input": text, "dimensions": 4 });
        let (_, _, headers) = ask(&openai, "embeddings", request).await;
        let wait = header(&headers, "retry-after-ms").parse().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let counts = openai.counts();
    let least = (counts.admitted_tokens as f64 - 200.0) / 1000.0;
    assert!(started.elapsed().as_secs_f64() >= least, "a law of the bucket, not of this machine");
    let request = json!({ "model": MODEL, "input": "word ".repeat(300) });
    let (status, body, headers) = ask(&openai, "embeddings", request).await;
    assert_eq!((status, header(&headers, "retry-after-ms")), (429, ""), "no waiting will help");
    assert!(body["error"]["message"].as_str().unwrap().contains("Request too large"));
}

#[test]
fn times_are_spelled_as_openai_does() {
    let cases =
        [(20, "20ms"), (1000, "1s"), (7660, "7.66s"), (360_000, "6m0s"), (61_500, "1m1.5s"), (0, "0ms")];
    for (milliseconds, text) in cases {
        assert_eq!(spelled(Duration::from_millis(milliseconds)), text);
    }
}
