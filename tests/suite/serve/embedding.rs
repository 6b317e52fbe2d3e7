//! Hybrid search against an OpenAI in miniature: what is asked of it, and what is said when it fails.

use std::time::{Duration, Instant};

use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};

use super::client::{ask, connect};
use crate::ingest::workspace::page;
use crate::openai::miniature::KEY;
use crate::openai::{Fault, Hybrid};
use crate::programs::{self, Server};

/// Long enough for a fast answer on a slow machine, where nothing else is said.
pub(crate) const PATIENT: [&str; 2] = ["--set", "serve.embed_timeout_ms=20000"];

/// An index of six pages with vectors.
fn indexed() -> Hybrid {
    let hybrid = Hybrid::with_documents(6);
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    hybrid
}

/// Serves the index with the miniature as embedder.
pub(crate) fn serve(hybrid: &Hybrid, arguments: &[&str]) -> Server {
    let mut command = programs::command("lectern-serve");
    hybrid.configure(&mut command);
    command.arg("--index").arg(hybrid.workspace.index()).args(["--listen", "127.0.0.1:0"]).args(arguments);
    Server::spawn(command)
}

async fn search(client: &RunningService<RoleClient, ()>, query: &str) -> Value {
    ask(client, "search_docs", json!({ "query": query })).await.0
}

fn hybrid_found(found: &Value) {
    assert_eq!((&found["mode"], &found["degraded"]), (&"hybrid".into(), &Value::Null), "{found}");
    assert_ne!(found["results"], json!([]));
}

/// The answer is by words alone, and says why.
fn degraded(found: &Value) -> &str {
    assert_eq!(found["mode"], "lexical", "{found}");
    assert_ne!(found["results"], json!([]));
    found["degraded"].as_str().unwrap_or_else(|| panic!("not degraded: {found}"))
}

#[tokio::test]
async fn a_question_is_asked_of_the_service_once() {
    let hybrid = indexed();
    let server = serve(&hybrid, &PATIENT);
    let client = connect(&server).await;
    for _ in 0..3 {
        hybrid_found(&search(&client, "when a request arrives").await);
    }
    let counts = hybrid.openai.take_counts();
    assert_eq!((counts.requests, counts.answered["when a request arrives"]), (1, 1));
    let (status, _) = ask(&client, "get_index_status", json!({})).await;
    assert_eq!((&status["mode"], &status["degraded"]), (&"hybrid".into(), &Value::Null));
    assert_eq!(hybrid.openai.take_counts().requests, 0);
}

#[tokio::test]
async fn another_embedder_or_none_is_said_and_not_asked() {
    let hybrid = indexed();
    let other = serve(&hybrid, &["--set", "embedding.model=text-embedding-3-large"]);
    let found = search(&connect(&other).await, "a request").await;
    for word in ["text-embedding-3-small:64", "text-embedding-3-large:64", "[embedding]"] {
        assert!(degraded(&found).contains(word), "{found}");
    }
    let none = Server::start(&hybrid.workspace.index());
    let found = search(&connect(&none).await, "a request").await;
    for word in ["text-embedding-3-small:64", "no embedder is configured", "[embedding]"] {
        assert!(degraded(&found).contains(word), "{found}");
    }
    assert_eq!(hybrid.openai.counts().requests, 0);
}

#[tokio::test]
async fn whatever_fails_the_answer_is_lexical_and_says_so() {
    let hybrid = indexed();
    let server = serve(&hybrid, &PATIENT);
    let client = connect(&server).await;
    let faults = [
        Fault::Busy(Duration::from_secs(1)),
        Fault::Quota,
        Fault::Status(500),
        Fault::Html(503),
        Fault::Html(429),
        Fault::CutBeforeHeaders,
        Fault::CutInBody,
        Fault::Missing,
        Fault::Short,
        Fault::Zeros,
        Fault::NotANumber,
        Fault::Huge,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        hybrid.openai.plan(1, fault.clone());
        let found = search(&client, &format!("the request {number}")).await;
        assert!(degraded(&found).contains("embedding service"), "{fault:?}: {found}");
        hybrid_found(&search(&client, &format!("the header {number}")).await);
    }
    hybrid.openai.expect_key("sk-another");
    degraded(&search(&client, "the length").await);
    assert!(!server.log().contains(KEY), "{}", server.log());
}

#[tokio::test]
async fn a_service_that_is_down_is_left_alone_and_found_again() {
    let hybrid = indexed();
    let server = serve(&hybrid, &["--set", "serve.embed_timeout_ms=200"]);
    let client = connect(&server).await;
    hybrid.openai.plan(1000, Fault::Silent(Duration::MAX));
    let started = Instant::now();
    let mut says = String::new();
    for number in 0..30 {
        // It answers at all: the service never does.
        says = degraded(&search(&client, &format!("request {number}")).await).to_owned();
    }
    let tries = started.elapsed().as_secs() / 5 + 1;
    let asked = hybrid.openai.counts().requests as u64;
    assert!((3..=3 + tries).contains(&asked), "{asked} of 30 questions were asked");
    assert!(says.contains("down") || says.contains("in time"), "{says}");
    let (status, _) = ask(&client, "get_index_status", json!({})).await;
    assert!(status["degraded"].as_str().is_some_and(|it| it.contains("down")), "{status}");
    hybrid.openai.recover();
    let mut number = 100;
    loop {
        let found = search(&client, &format!("request {number}")).await;
        if found["mode"] == "hybrid" {
            break hybrid_found(&found);
        }
        number += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(started.elapsed() < Duration::from_secs(180), "it is never tried again");
    }
    let (status, _) = ask(&client, "get_index_status", json!({})).await;
    assert_eq!(status["degraded"], Value::Null);
}

#[tokio::test]
async fn remembered_questions_need_no_service() {
    let hybrid = indexed();
    let server = serve(&hybrid, &PATIENT);
    let client = connect(&server).await;
    hybrid_found(&search(&client, "when a request arrives").await);
    hybrid.openai.plan(1000, Fault::Status(500));
    for number in 0..4 {
        degraded(&search(&client, &format!("request {number}")).await);
    }
    hybrid_found(&search(&client, "when a request arrives").await);
}

#[tokio::test]
async fn questions_that_are_refused_do_not_spoil_those_of_others() {
    let hybrid = indexed();
    hybrid.openai.refuse("FORBIDDEN");
    let server = serve(&hybrid, &PATIENT);
    let client = connect(&server).await;
    for number in 0..5 {
        degraded(&search(&client, &format!("a FORBIDDEN request {number}")).await);
    }
    hybrid_found(&search(&client, "when a request arrives").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_model_is_switched_to_at_once_and_back() {
    model_change(&Hybrid::with_documents(300)).await;
}

/// Two servers, one of each model, are asked without pause while the index changes.
pub(crate) async fn model_change(hybrid: &Hybrid) {
    hybrid.synced(&[]);
    let longer = ["--set", "embedding.dimensions=96"];
    let servers = [serve(hybrid, &PATIENT), serve(hybrid, &[PATIENT, longer].concat())];
    let clients = [connect(&servers[0]).await, connect(&servers[1]).await];
    let modes = async || {
        let mut modes = Vec::new();
        for client in &clients {
            let found = search(client, "when a request arrives").await;
            match found["mode"].as_str() {
                Some("hybrid") => hybrid_found(&found),
                _ => {
                    assert!(degraded(&found).contains("the index"), "made with another, or just now: {found}")
                }
            }
            modes.push(found["mode"] == "hybrid");
        }
        modes
    };
    assert_eq!(modes().await, [true, false]);
    hybrid.workspace.write("part0/page0000.md", page(0, 1));
    hybrid.openai.take_counts();
    hybrid.openai.latency(Duration::from_millis(150));
    let mut sync = hybrid.ingest(&["sync", "docs"]);
    sync.args(longer).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let sync = std::thread::spawn(move || sync.status().expect("a child"));
    let (mut seen, mut ended) = (Vec::new(), false);
    // Once more after its end.
    while !ended {
        ended = sync.is_finished();
        // The switch may come between the two questions: then both may be hybrid, or neither.
        let now = modes().await;
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert!(sync.join().expect("a status").success());
    assert_eq!((seen.first(), seen.last()), (Some(&vec![true, false]), Some(&vec![false, true])), "{seen:?}");
    assert!(seen.len() <= 3, "switched once: {seen:?}");
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.abandoned, 0);
    hybrid.openai.recover();
    let (code, _, error) = hybrid.run(&["rollback"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(modes().await, [true, false], "back again");
    assert_eq!(hybrid.run(&["rollback"]).0, 0);
    assert_eq!(modes().await, [false, true]);
}
