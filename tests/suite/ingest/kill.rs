//! SIGKILL at any moment of a sync, while somebody reads without pause.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::workspace::Workspace;
use crate::programs::{self, Server};

/// Documents that answer the reader's query; fewer than the 50 results a search gives.
const MARKED: usize = 40;
/// Documents that only make a sync take its time.
const FILLING: usize = 160;

type Tree = BTreeMap<String, String>;

/// The documents of a commit. Marked ones say which commit they are of; some come, go and move.
fn commit(k: u64) -> Tree {
    let mut tree = Tree::new();
    for i in 0..MARKED as u64 {
        let path = match i % 4 {
            0 => format!("stays/{i}.md"),
            1 => format!("moves/{}/{i}.md", (k + i) % 3),
            2 if (k + i).is_multiple_of(2) => format!("comes/{i}.md"),
            2 => continue,
            _ => format!("still/{i}.md"),
        };
        let version = if i % 4 == 3 { 0 } else { k };
        tree.insert(path, format!("# Paper {i}\n\nbeacon number {i} of commit-{version}-end.\n"));
    }
    for i in 0..FILLING as u64 {
        let version = if i.is_multiple_of(3) { k } else { 0 };
        let text = format!("# Filler {i}\n\n{}\n", format!("word{i} value{version} ").repeat(60));
        tree.insert(format!("filling/{i}.md"), text);
    }
    tree
}

fn check_out(docs: &Path, tree: &Tree) {
    if docs.exists() {
        std::fs::remove_dir_all(docs).expect("a removed folder");
    }
    for (path, text) in tree {
        let file = docs.join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a written file");
    }
}

#[test]
fn killed_at_any_moment_a_sync_leaves_the_old_or_the_new() {
    let kills: u64 = std::env::var("LECTERN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let seed: u64 =
        std::env::var("LECTERN_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |now| now.as_nanos() as u64)
                | 1
        });
    eprintln!("LECTERN_TEST_SEED={seed} LECTERN_TEST_KILLS={kills}");
    kill_syncs(&Workspace::new(&[]), kills, seed);
}

/// Kills syncs into the workspace's index at random moments while somebody reads it.
pub(crate) fn kill_syncs(workspace: &Workspace, kills: u64, seed: u64) {
    check_out(&workspace.docs(), &commit(0));
    workspace.synced(&[]);
    check_out(&workspace.docs(), &commit(1));
    let started = Instant::now();
    workspace.synced(&[]);
    let whole = started.elapsed();

    let server = Server::start(&workspace.index());
    let newest = Arc::new(AtomicU64::new(1));
    let stop = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (address, newest, stop) = (server.url("/mcp"), newest.clone(), stop.clone());
        move || read_on(&address, &newest, &stop)
    });

    let mut random = seed;
    let mut survived = 0;
    for k in 2..2 + kills {
        check_out(&workspace.docs(), &commit(k));
        newest.store(k, Ordering::SeqCst);
        let mut child = workspace
            .ingest(&["sync", "docs"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        std::thread::sleep(whole.mul_f64(next(&mut random) * 1.1));
        let _ = child.kill();
        survived += u64::from(child.wait().expect("a child").success());
        assert!(!reader.is_finished(), "the reader found something wrong");
    }
    stop.store(true, Ordering::SeqCst);
    let reads = reader.join().expect("every read was whole");
    eprintln!("{kills} kills, {survived} came too late, {reads} reads");
    assert!(survived < kills || kills == 0, "no sync was ever killed");

    workspace.synced(&[]);
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());
}

/// A number from 0 to 1 (xorshift64*).
fn next(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
}

/// Searches, lists and fetches until told to stop; panics at anything but a whole commit that is no
/// older than the one before. Returns how often it read.
fn read_on(address: &str, newest: &AtomicU64, stop: &AtomicBool) -> u64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
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

/// The greatest commit that a text names.
fn commit_of(text: &str) -> u64 {
    let numbers = text.split("commit-").skip(1).filter_map(|rest| rest.split("-end").next()?.parse().ok());
    numbers.max().expect("a commit is named")
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

async fn call(client: &reqwest::Client, address: &str, tool: &str, arguments: Value) -> Value {
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

#[test]
fn serve_answers_while_and_after_a_backup_is_restored() {
    let workspace = Workspace::new(&[]);
    check_out(&workspace.docs(), &commit(0));
    workspace.synced(&[]);
    assert_eq!(workspace.run(&["backup", "copy.db"]).0, 0);
    check_out(&workspace.docs(), &commit(1));
    workspace.synced(&[]);
    let server = Server::start(&workspace.index());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stays = || {
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let fetched =
                call(&client, &server.url("/mcp"), "fetch_doc", json!({ "path": "stays/0.md" })).await;
            commit_of(&string(&fetched["content"]))
        })
    };
    assert_eq!(stays(), 1);
    assert_eq!(workspace.run(&["restore", "copy.db"]).0, 0);
    assert_eq!(stays(), 0);
    programs::run(&mut workspace.ingest(&["sync", "docs"]));
    assert_eq!(stays(), 1);
}
