//! HTTP: the protocol's versions, what is no protocol, health, metrics, and the end.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::client::{ask, connect, initialize, post};
use crate::programs::{self, Server, corpora_index, small_corpus, sync};

async fn json_of(response: reqwest::Response) -> Value {
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/json"), "{kind}");
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn every_version_is_spoken_without_sessions() {
    let server = Server::start(corpora_index());
    for version in ["2025-06-18", "2025-11-25"] {
        let response = post(&server, &[], initialize(version).to_string()).await;
        assert!(response.headers().get("mcp-session-id").is_none());
        let answer = json_of(response).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "lectern");

        let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string();
        let answer = json_of(post(&server, &[("mcp-protocol-version", version)], list).await).await;
        assert_eq!(answer["result"]["tools"].as_array().expect("tools").len(), 4);
        assert!(answer["result"].get("ttlMs").is_none(), "cache hints came later");
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = |method: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": params}).to_string()
    };
    let headers = |method| [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    let answer = json_of(post(&server, &headers("tools/list"), call("tools/list", json!({}))).await).await;
    assert!(answer["result"]["ttlMs"].as_u64() > Some(0) && answer["result"]["cacheScope"] == "public");
    let mut named = headers("tools/call").to_vec();
    named.push(("mcp-name", "get_index_status"));
    let body = call("tools/call", json!({"name": "get_index_status", "arguments": {}}));
    let answer = json_of(post(&server, &named, body).await).await;
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(answer["result"]["isError"], false);
}

#[tokio::test]
async fn what_is_no_message_is_answered_in_the_protocol() {
    let server = Server::with(corpora_index(), &["--set", "serve.max_body_bytes=2048"], &HashMap::new());
    for (body, status, code, id) in [
        ("{not json".to_owned(), 400, -32700, Value::Null),
        (String::new(), 400, -32700, Value::Null),
        ("[]".into(), 400, -32600, Value::Null),
        ("{\"id\": 7}".into(), 400, -32600, json!(7)),
        (initialize(&"x".repeat(4096)).to_string(), 413, -32600, Value::Null),
    ] {
        let response = post(&server, &[], body.clone()).await;
        assert_eq!(response.status().as_u16(), status, "{body:.40}");
        let answer = json_of(response).await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{body:.40}");
    }
    let list = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/list"}).to_string();
    let response = post(&server, &[("mcp-protocol-version", "1999-12-31")], list).await;
    assert_eq!(response.status().as_u16(), 400);
    let answer = json_of(response).await;
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32022), &json!(8)));
    assert_eq!(answer["error"]["data"]["requested"], "1999-12-31");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 5}});
    let answer = json_of(post(&server, &[], call.to_string()).await).await;
    assert_eq!(answer["error"]["code"], -32602);
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/frobnicate"});
    let answer = json_of(post(&server, &[], unknown.to_string()).await).await;
    assert_eq!(answer["error"]["code"], -32601);
}

#[tokio::test]
async fn clients_that_take_json_get_json() {
    let server = Server::start(corpora_index());
    for accept in ["application/json, text/event-stream", "application/json", "*/*"] {
        let response = post(&server, &[("accept", accept)], initialize("2025-11-25").to_string()).await;
        assert_eq!(response.status().as_u16(), 200, "{accept}");
        json_of(response).await;
    }
    let refused = post(&server, &[("accept", "text/html")], initialize("2025-11-25").to_string()).await;
    assert_eq!(refused.status().as_u16(), 406);
    let refused = post(&server, &[("content-type", "text/plain")], "x").await;
    assert_eq!(refused.status().as_u16(), 415);
    assert_eq!(reqwest::get(server.url("/mcp")).await.expect("a response").status().as_u16(), 405);
}

#[tokio::test]
async fn health_follows_the_index() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index.db");
    let server = Server::start(&index);
    let get = async |path: &str| reqwest::get(server.url(path)).await.expect("a response");

    let response = get("/health").await;
    assert_eq!(response.status().as_u16(), 503);
    let health = json_of(response).await;
    assert_eq!((&health["status"], &health["index"]), (&json!("unavailable"), &json!("missing")));
    assert!(health["timestamp"].is_string());
    assert_eq!(get("/livez").await.status().as_u16(), 200);
    let client = connect(&server).await;
    let error = super::client::refusal(&client, "search_docs", json!({"query": "x"})).await;
    assert!(error.contains("lectern-ingest sync"), "{error}");

    // A first sync that fails leaves a file, and no index in it.
    let mut failing = programs::command("lectern-ingest");
    failing.arg("sync").arg(folder.path().join("nothing")).arg("--index").arg(&index);
    assert_eq!(programs::text(programs::run(&mut failing)).0, 4);
    assert!(index.exists());
    let health = json_of(get("/health").await).await;
    assert_eq!((&health["status"], &health["index"]), (&json!("unavailable"), &json!("missing")));
    let error = super::client::refusal(&client, "search_docs", json!({"query": "x"})).await;
    assert!(error.contains("lectern-ingest sync"), "{error}");

    sync(&index, &[&small_corpus()]);
    let health = json_of(get("/health").await).await;
    assert_eq!((&health["status"], &health["index"]), (&json!("ok"), &json!("ready")));
    assert_eq!(health["mode"], "lexical");
    assert_eq!(health["sources"][0]["generation"], 1);
    let (found, _) = ask(&client, "search_docs", json!({"query": "retries"})).await;
    assert_eq!(found["results"][0]["path"], "guides/retries.md");

    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("index.db{ending}")));
    }
    assert_eq!(get("/health").await.status().as_u16(), 503);
    sync(&index, &[&small_corpus()]);
    assert_eq!(get("/health").await.status().as_u16(), 200);
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    ask(&client, "search_docs", json!({"query": "install"})).await;
    super::client::refusal(&client, "search_docs", json!({"query": ""})).await;
    let text = reqwest::get(server.url("/metrics")).await.expect("a response").text().await.expect("text");
    for line in [
        "lectern_requests_total{tool=\"search_docs\",outcome=\"ok\"} 1",
        "lectern_requests_total{tool=\"search_docs\",outcome=\"refused\"} 1",
        "lectern_request_seconds_count{tool=\"search_docs\"} 2",
        "lectern_index_readable 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(text.contains("lectern_index_generation{source=") && text.contains("lectern_index_age_seconds{"));
    let page = reqwest::get(server.url("/")).await.expect("a response").text().await.expect("text");
    assert!(page.contains("/mcp"), "{page}");
}

#[tokio::test]
async fn signals_end_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(corpora_index());
        let client = connect(&server).await;
        ask(&client, "get_index_status", json!({})).await;
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(0), "{signal}: {}", server.log());
    }
}
