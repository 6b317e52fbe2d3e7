//! Answers and refusals are shaped as OpenAI's, vectors have geometry.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::client::{MODEL, ask, ask_as, embed};
use super::{Miniature, vector};

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[tokio::test]
async fn an_answer_holds_a_vector_for_each_input_in_both_encodings() {
    let openai = Miniature::start();
    let texts = ["How to roll back a release", "Pricing"];
    let request =
        |encoding| json!({ "model": MODEL, "input": texts, "encoding_format": encoding, "dimensions": 64 });
    let (status, floats, _) = ask(&openai, "embeddings", request("float")).await;
    let (_, base64, _) = ask(&openai, "embeddings", request("base64")).await;
    assert_eq!((status, &floats["object"], &floats["model"]), (200, &"list".into(), &MODEL.into()));
    for (index, text) in texts.iter().enumerate() {
        let item = &floats["data"][index];
        assert_eq!((&item["object"], &item["index"]), (&"embedding".into(), &index.into()));
        let right = vector(MODEL, 64, text);
        assert_eq!(numbers(&item["embedding"]), right);
        let bytes = BASE64_STANDARD.decode(base64["data"][index]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> =
            bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect();
        assert_eq!(decoded, right);
    }
    let tokens =
        texts.iter().map(|text| lectern_index::tokens::Tokenizer::cl100k().count(text)).sum::<usize>();
    assert_eq!(floats["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
    openai.know("nomic-embed-text", 8);
    let (_, other, _) =
        ask(&openai, "embeddings", json!({ "model": "nomic-embed-text", "input": "x" })).await;
    assert_eq!(numbers(&other["data"][0]["embedding"]), vector("nomic-embed-text", 8, "x"));
    let (_, single, _) = ask(&openai, "embeddings", json!({ "model": MODEL, "input": "Pricing" })).await;
    assert_eq!(numbers(&single["data"][0]["embedding"]), vector(MODEL, 1536, "Pricing"));
}

#[test]
fn similar_texts_are_near_and_models_have_nothing_in_common() {
    let [a, b, c] = [
        "To roll back a release, deploy the previous version again.",
        "Rolling back: redeploying a previous release",
        "Invoices are sent on the first day of the month.",
    ];
    for dimensions in [64, 1536] {
        let cosine = |one: (&str, &str), other: (&str, &str)| -> f32 {
            let [one, other] = [one, other].map(|(model, text)| vector(model, dimensions, text));
            one.iter().zip(&other).map(|(x, y)| x * y).sum()
        };
        let length = cosine((MODEL, a), (MODEL, a));
        assert!((length - 1.0).abs() < 1e-5, "length one, not {length}");
        assert!(cosine((MODEL, a), (MODEL, b)) > 0.3 + cosine((MODEL, a), (MODEL, c)));
        assert!(cosine((MODEL, a), ("text-embedding-3-large", a)) < 0.5);
    }
    assert_ne!(vector(MODEL, 64, "***"), vector(MODEL, 64, "---"), "texts without a word have vectors too");
    // Computed once, and the same ever since: on every machine, in every process.
    let first: Vec<f32> = vector(MODEL, 8, "Pricing").iter().map(|it| (it * 1000.0).round()).collect();
    assert_eq!(first, [0.0, 0.0, 201.0, -402.0, 0.0, -871.0, 0.0, -201.0]);
}

#[tokio::test]
async fn what_openai_refuses_is_refused_in_its_words() {
    let openai = Miniature::start();
    openai.refuse("FORBIDDEN");
    let long = "word ".repeat(8200);
    let large = "word ".repeat(8000);
    for (request, status, code, words) in [
        (json!({ "model": "gpt-9", "input": "x" }), 404, "model_not_found".into(), "`gpt-9` does not exist"),
        (json!({ "input": "x" }), 400, Value::Null, "model parameter"),
        (json!({ "model": MODEL, "input": [] }), 400, Value::Null, "0 inputs"),
        (json!({ "model": MODEL, "input": ["x", ""] }), 400, Value::Null, "empty string"),
        (json!({ "model": MODEL, "input": vec!["x"; 2049] }), 400, Value::Null, "2049 inputs"),
        (
            json!({ "model": MODEL, "input": [long] }),
            400,
            Value::Null,
            "maximum context length is 8192 tokens",
        ),
        (
            json!({ "model": MODEL, "input": vec![large; 38] }),
            400,
            "max_tokens_per_request".into(),
            "max 300000 tokens per request",
        ),
        (json!({ "model": MODEL, "input": "x", "dimensions": 1537 }), 400, Value::Null, "dimensions"),
        (
            json!({ "model": "text-embedding-ada-002", "input": "x", "dimensions": 64 }),
            400,
            Value::Null,
            "does not support specifying dimensions",
        ),
        (json!({ "model": MODEL, "input": ["x", "a FORBIDDEN y"] }), 400, Value::Null, "$.input"),
    ] {
        let (got, body, _) = ask(&openai, "embeddings", request).await;
        let error = &body["error"];
        assert_eq!((got, &error["code"], &error["param"]), (status, &code, &Value::Null), "{body}");
        assert!(error["message"].as_str().unwrap().contains(words), "{words}: {body}");
        assert!(error["type"].is_string());
    }
    let (status, body, _) = ask_as(&openai, "sk-WRONGKEY-wrongwrongwrong", "embeddings", json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (401, &"invalid_api_key".into()));
    assert!(!body.to_string().contains("wrongwrong"));
    openai.expect_key("sk-another");
    assert_eq!(ask(&openai, "embeddings", json!({ "model": MODEL, "input": "x" })).await.0, 401);
    assert_eq!(ask_as(&openai, "sk-another", "images", json!({})).await.0, 404);
    assert!(openai.counts().answered.is_empty());
}

#[tokio::test]
async fn a_completion_is_shaped_as_one() {
    let openai = Miniature::start();
    let request = json!({ "model": "gpt-5-mini", "messages": [
        { "role": "system", "content": "Summarise." }, { "role": "user", "content": "A page about storage." }] });
    let (status, body, _) = ask(&openai, "chat/completions", request).await;
    assert_eq!((status, &body["object"]), (200, &"chat.completion".into()));
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["content"], "A page about storage.");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(body["usage"]["total_tokens"], 10);
    assert_eq!(openai.counts().chats, 1);
}

#[tokio::test]
async fn everything_is_counted() {
    let openai = Miniature::start();
    openai.latency(std::time::Duration::from_millis(300));
    let (one, other) = (embed(&openai, &["a b", "c"]), embed(&openai, &["c"]));
    let _ = futures::join!(one, other);
    let counts = openai.take_counts();
    assert_eq!((counts.requests, counts.embeddings, counts.answered_requests), (2, 2, 2));
    assert_eq!((counts.inputs, counts.tokens, counts.answered_tokens), (3, 4, 4));
    assert_eq!((counts.most_in_flight, counts.in_flight), (2, 0));
    assert_eq!(counts.twice(), ["c"]);
    assert_eq!(openai.counts().requests, 0);
}
