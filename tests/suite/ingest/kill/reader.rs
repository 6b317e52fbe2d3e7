//! Somebody who reads without pause and notices everything.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::corpus::{Tree, commit, commit_of};
use crate::programs::Server;

/// Longest time that an answer may take, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// A reader of an index that holds commit 1, and the server it asks.
pub(super) struct Reader {
    server: Server,
    newest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Reader {
    pub(super) fn start(index: &Path) -> Self {
        let server = Server::start(index);
        let (newest, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (address, newest, stop) = (server.url("/mcp"), newest.clone(), stop.clone());
            move || read_on(&address, &newest, &stop)
        });
        Self { server, newest, stop, thread }
    }

    /// From now on this commit may be seen too.
    pub(super) fn may_see(&self, commit: u64) {
        self.newest.store(commit, Ordering::SeqCst);
    }

    /// Fails if anything that was read was wrong.
    pub(super) fn is_content(&self) {
        assert!(!self.thread.is_finished(), "the reader found something wrong:\n{}", self.server.log());
    }

    /// Stops reading; how often it read.
    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("every read was whole")
    }
}

/// Searches, lists and fetches until told to stop; panics at anything but a whole commit that is no
/// older than the one before. Returns how often it read.
fn read_on(address: &str, newest: &AtomicU64, stop: &AtomicBool) -> u64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        let (mut reads, mut last) = (0, 0);
        while !stop.load(Ordering::SeqCst) {
            let query = json!({ "query": "beacon number", "max_results": 50, "max_tokens": 20000 });
            let found = call(&client, address, "search_docs", query).await;
            let hits: Tree = found["results"]
                .as_array()
                .expect("results")
                .iter()
                .map(|hit| (string(&hit["path"]), string(&hit["content"])))
                .collect();
            let k = commit_of(&hits.values().cloned().collect::<Vec<_>>().join("\n"));
            let expected: Tree =
                commit(k).into_iter().filter(|(path, _)| !path.starts_with("filling/")).collect();
            assert_eq!(hits, expected, "a search sees commit {k}, and that one whole");
            assert!(last <= k && k <= newest.load(Ordering::SeqCst), "commit {k} after {last}");
            last = k;

            let listed = call(&client, address, "list_docs", json!({ "path_prefix": "moves/" })).await;
            let paths: Vec<String> = listed["documents"]
                .as_array()
                .expect("documents")
                .iter()
                .map(|document| string(&document["path"]))
                .collect();
            let matching = (last..=newest.load(Ordering::SeqCst)).any(|k| {
                commit(k).into_keys().filter(|path| path.starts_with("moves/")).eq(paths.iter().cloned())
            });
            assert!(matching, "a list shows one commit: {paths:?}");

            let path = "stays/0.md";
            let fetched = call(&client, address, "fetch_doc", json!({ "path": path })).await;
            let k = commit_of(&string(&fetched["content"]));
            assert_eq!(string(&fetched["content"]), commit(k)[path], "a document is whole");
            reads += 3;
        }
        reads
    })
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

pub(super) async fn call(client: &reqwest::Client, address: &str, tool: &str, arguments: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
    let request = client
        .post(address)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .json(&body);
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
    assert_ne!(answer["result"]["isError"], true, "{text}");
    answer["result"]["structuredContent"].clone()
}
