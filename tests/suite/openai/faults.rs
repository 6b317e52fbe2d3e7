//! Each misbehaviour is what its name says, and what was not answered is not counted as answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{MODEL, ask, embed};
use super::{Fault, Miniature, vector};

const TEXTS: [&str; 3] = ["one", "two", "three"];

fn indices(body: &Value) -> Vec<u64> {
    body["data"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn answers_that_are_none_and_connections_that_end() {
    let openai = Miniature::start();
    let request = || json!({ "model": MODEL, "input": TEXTS, "dimensions": 16 });
    openai.plan(1, Fault::Busy(Duration::from_millis(1500)));
    let (status, _, headers) = ask(&openai, "embeddings", request()).await;
    assert_eq!(
        (status, &headers["retry-after"], &headers["retry-after-ms"]),
        (429, &"2".parse().unwrap(), &"1500".parse().unwrap())
    );
    openai.plan(1, Fault::Quota);
    let (status, body, _) = ask(&openai, "embeddings", request()).await;
    assert_eq!((status, &body["error"]["type"]), (429, &"insufficient_quota".into()));
    for fault in [Fault::Html(503), Fault::Html(429), Fault::Status(500)] {
        openai.plan(1, fault.clone());
        let (status, body, headers) = ask(&openai, "embeddings", request()).await;
        assert!([503, 429, 500].contains(&status));
        assert_eq!(body.is_string(), headers["content-type"] == "text/html", "{fault:?}");
    }
    for fault in [Fault::CutBeforeHeaders, Fault::CutAfterHeaders, Fault::CutInBody] {
        openai.plan(1, fault.clone());
        assert!(embed(&openai, &TEXTS).await.is_err(), "{fault:?}");
    }
    openai.plan(1, Fault::Silent(Duration::MAX));
    let waited = tokio::time::timeout(Duration::from_millis(100), embed(&openai, &TEXTS)).await;
    assert!(waited.is_err());
    let counts = openai.counts();
    assert_eq!((counts.requests, counts.faults.len(), counts.answered.len()), (9, 9, 0));
    assert_eq!(indices(&embed(&openai, &TEXTS).await.unwrap()), [0, 1, 2]);
    openai.latency(Duration::from_secs(600));
    let hung_up = tokio::time::timeout(Duration::from_millis(200), embed(&openai, &TEXTS)).await;
    assert!(hung_up.is_err());
    while openai.counts().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let counts = openai.take_counts();
    assert_eq!((counts.answered_requests, counts.answered.len(), counts.abandoned), (1, 3, 1));
}

#[tokio::test]
async fn answers_that_are_wrong_count_for_the_inputs_they_answer() {
    let openai = Miniature::start();
    let ask = async |fault: Fault| {
        openai.plan(1, fault);
        let body = embed(&openai, &TEXTS).await.unwrap();
        let mut answered: Vec<String> = openai.take_counts().answered.into_keys().collect();
        answered.sort();
        (body, answered)
    };
    let (body, answered) = ask(Fault::Shuffled).await;
    assert_eq!((indices(&body), answered.len()), (vec![2, 1, 0], 3));
    let number = |at: usize| body["data"][0]["embedding"][at].as_f64().unwrap() as f32;
    let right = vector(MODEL, 16, TEXTS[2]);
    assert!((0..16).all(|at| number(at) == right[at]), "the indices are right");
    let (body, answered) = ask(Fault::Missing).await;
    assert_eq!((indices(&body), answered), (vec![0, 2], vec!["one".into(), "three".into()]));
    let (body, answered) = ask(Fault::DuplicateIndex).await;
    assert_eq!((indices(&body), answered), (vec![0, 0, 2], vec!["three".into()]));
    let (body, _) = ask(Fault::Short).await;
    assert_eq!(body["data"][1]["embedding"].as_array().unwrap().len(), 15);
    let (body, _) = ask(Fault::Zeros).await;
    assert!(body["data"][1]["embedding"].as_array().unwrap().iter().all(|number| *number == 0.0));
    assert!(ask(Fault::NotANumber).await.0["data"][1]["embedding"][0].is_null());
    assert_eq!(ask(Fault::Huge).await.0["data"][1]["embedding"][0], 1e39);
    let (body, answered) = ask(Fault::OtherModel).await;
    assert_ne!(body["model"], MODEL);
    assert!(answered.is_empty());
    assert!(ask(Fault::ContentType("text/plain")).await.1.is_empty());
}

#[tokio::test]
async fn chance_follows_from_its_seed() {
    let faults = [Fault::Status(500), Fault::Html(503)];
    let mut runs = Vec::new();
    for _ in 0..2 {
        let openai = Miniature::start();
        openai.misbehave(7, 0.3, &faults);
        for _ in 0..60 {
            let _ = embed(&openai, &["one"]).await;
        }
        let counts = openai.take_counts();
        assert_eq!(counts.answered["one"], 60 - counts.faults.len());
        runs.push(counts.faults);
        openai.recover();
        assert!(embed(&openai, &["one"]).await.is_ok());
    }
    assert_eq!(runs[0], runs[1]);
    assert!((8..32).contains(&runs[0].len()) && faults.iter().all(|fault| runs[0].contains(fault)));
}
