//! Invariant 9: `max_tokens` is never exceeded, counted by another tokenizer than the server's.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::Connection;

use super::client::{ask, connect};
use crate::programs::{Server, corpora_index, sync};

/// Each has a word that every documentation has.
const QUERIES: [&str; 10] = [
    "when does a value get dropped",
    "trait objects dynamic dispatch, and errors",
    "E0382 borrow of moved value",
    "how do I deploy",
    "getStaticPaths pagination with one page",
    "error handling with Result and ?",
    "content collections schema",
    "cargo workspace in a folder",
    "`--no-verify` \"quoted\" (AND OR NOT) * ^ :",
    "lifetimes in function signatures, and names",
];

/// One hundred calls, budgets from 200 to 20,000 evenly on a logarithmic scale. Gives the number of
/// those that had room for a passage; the others have to say that they had none.
async fn hundred_calls(index: &Path) -> usize {
    let tokenizer = tiktoken_rs::cl100k_base().expect("the reference tokenizer");
    let server = Server::start(index);
    let client = connect(&server).await;
    let mut useful = 0;
    for call in 0..100usize {
        let max_tokens = (200.0 * 100.0f64.powf(call as f64 / 99.0)).round() as usize;
        let query = QUERIES[call % QUERIES.len()];
        let arguments = json!({"query": query, "max_tokens": max_tokens, "max_results": 1 + call % 50});
        let (structured, text) = ask(&client, "search_docs", arguments).await;
        let sent = tokenizer.encode_ordinary(&structured.to_string()).len();
        let read = tokenizer.encode_ordinary(&text).len();
        assert!(sent <= max_tokens && read <= max_tokens, "{max_tokens}: {sent} and {read} for {query}");
        let results = structured["results"].as_array().expect("results");
        let omitted = structured["omitted"].as_u64().expect("a number");
        // What was left out is said: there are more, and a cursor or the advice to ask for more tokens.
        if omitted > 0 {
            assert!(structured["next_cursor"].is_string() || text.contains("max_tokens"), "{text}");
        }
        useful += usize::from(!results.is_empty());
        assert!(!results.is_empty() || max_tokens < 300, "{max_tokens} have room for something");
        assert!(!results.is_empty() || text.contains("raise max_tokens"), "{text}");
        for hit in results {
            assert_eq!(
                hit["tokens"],
                tokenizer.encode_ordinary(hit["content"].as_str().expect("text")).len()
            );
        }
    }
    useful
}

#[tokio::test]
async fn a_hundred_calls_keep_to_their_budgets() {
    assert_eq!(hundred_calls(corpora_index()).await, 100, "every budget has room for something");
}

/// Citations of repositories are the longest there are.
#[tokio::test]
async fn a_hundred_calls_with_permalinks_keep_to_their_budgets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index.db");
    sync(&index, &crate::programs::corpora().iter().map(|path| path.as_path()).collect::<Vec<_>>());
    let mut db =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", index.display())).await.expect("the index");
    sqlx::query(
        "UPDATE heads SET commit_sha = '0123456789abcdef0123456789abcdef01234567', commits_behind = 7, \
         repository_url = 'https://github.com/example/documentation', repository_path = 'content/en/docs', \
         url_template = 'https://docs.example.org/en/{slug}/'",
    )
    .execute(&mut db)
    .await
    .expect("an update");
    db.close().await.expect("a closed connection");
    // A citation of 190 tokens leaves 10 of 200, which is not a line in every document.
    let useful = hundred_calls(&index).await;
    assert!(useful >= 95, "only {useful} of 100 answers have a passage");
}

#[tokio::test]
async fn documents_are_read_within_the_budget() {
    let tokenizer = tiktoken_rs::cl100k_base().expect("the reference tokenizer");
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    let (listed, _) = ask(&client, "list_docs", json!({"limit": 40})).await;
    for (number, document) in listed["documents"].as_array().expect("documents").iter().enumerate() {
        let max_tokens = 200 + number * 97;
        let mut arguments = json!({
            "path": document["path"], "source": document["source"], "max_tokens": max_tokens,
        });
        let mut lines = 0;
        loop {
            let (structured, text) = ask(&client, "fetch_doc", arguments.clone()).await;
            let count = |text: &str| tokenizer.encode_ordinary(text).len();
            let (sent, read) = (count(&structured.to_string()), count(&text));
            assert!(sent <= max_tokens && read <= max_tokens, "{max_tokens}: {sent} and {read}");
            lines += structured["content"].as_str().expect("text").lines().count();
            match &structured["next_cursor"] {
                Value::Null => break,
                cursor => arguments["cursor"] = cursor.clone(),
            }
            assert!(lines < 100_000, "the cursors go on for ever");
        }
    }
}
