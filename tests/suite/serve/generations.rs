//! A new generation is picked up without a restart, without a failed request, and as a whole.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::client::{ask, connect};
use crate::programs::{Server, sync};

const DOCUMENTS: usize = 12;
const GENERATIONS: usize = 6;

fn write(folder: &Path, generation: usize) {
    for number in 0..DOCUMENTS {
        let text = format!("# Page {number}\n\nThe beacon shows state{generation} here.\n");
        std::fs::write(folder.join(format!("page-{number}.md")), text).expect("a file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_generations_are_seen_at_once_and_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (docs, index) = (folder.path().join("docs"), folder.path().join("index.db"));
    std::fs::create_dir(&docs).expect("a folder");
    write(&docs, 0);
    sync(&index, &[&docs]);
    let server = Server::start(&index);
    let done = Arc::new(AtomicBool::new(false));

    let mut askers = Vec::new();
    for _ in 0..2 {
        let (client, done) = (connect(&server).await, done.clone());
        askers.push(tokio::spawn(async move {
            let (mut answers, mut newest) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let arguments = json!({"query": "beacon", "max_results": 50, "max_tokens": 20_000});
                let (found, _) = ask(&client, "search_docs", arguments).await;
                let states: Vec<usize> = found["results"]
                    .as_array()
                    .expect("results")
                    .iter()
                    .map(|hit| {
                        let content = hit["content"].as_str().expect("text");
                        let state = content.split("state").nth(1).and_then(|rest| rest.split(' ').next());
                        state.and_then(|state| state.parse().ok()).expect("a state")
                    })
                    .collect();
                assert_eq!(states.len(), DOCUMENTS, "an answer is short of documents");
                assert!(states.iter().all(|state| *state == states[0]), "an answer mixes generations");
                assert!(states[0] >= newest, "an answer went back in time");
                newest = states[0];
                answers += 1;
            }
            (answers, newest)
        }));
    }
    let client = connect(&server).await;
    for generation in 1..=GENERATIONS {
        write(&docs, generation);
        sync(&index, &[&docs]);
        let (status, _) = ask(&client, "get_index_status", json!({})).await;
        assert_eq!(status["sources"][0]["generation"], generation + 1);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    done.store(true, Ordering::Relaxed);
    for asker in askers {
        let (answers, newest) = asker.await.expect("no request failed");
        assert!(answers > GENERATIONS && newest == GENERATIONS, "{answers} answers, newest {newest}");
    }
}
