//! Qdrant is killed and comes back: in the middle of a sync, and while somebody searches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::contract::{ask, fill};
use super::server::Qdrant;
use crate::ingest::workspace::{Workspace, page};
use crate::programs::Server;

fn start() -> Option<(Qdrant, Workspace)> {
    let Some(qdrant) = Qdrant::start(&[]) else {
        eprintln!("skipped: LECTERN_TEST_QDRANT_BIN is not set");
        return None;
    };
    let workspace = Workspace::new(&[]).with_index(format!("{}/docs", qdrant.url()));
    Some((qdrant, workspace))
}

/// Has searches end, however what they accompany ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_sync_goes_on_when_qdrant_is_back_and_a_search_too() {
    let Some((mut qdrant, workspace)) = start() else { return };
    fill(&workspace, 30);
    workspace.synced(&[]);
    let server = Server::start(&workspace.index());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = Ends(&stop);
        let searches = scope.spawn(|| {
            let (mut answered, mut failed) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let found = ask(&server, "search_docs", json!({ "query": "request", "max_results": 5 }));
                match found["isError"] == true {
                    true => failed += 1,
                    false => {
                        assert_eq!(found["structuredContent"]["results"].as_array().map(Vec::len), Some(5));
                        answered += 1;
                    }
                }
            }
            (answered, failed)
        });
        for round in 1..=3 {
            for i in 0..30 {
                workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, round));
            }
            let mut sync = workspace.ingest(&["sync", "docs", "--quiet"]).spawn().expect("a child");
            std::thread::sleep(Duration::from_millis(60 * round as u64));
            qdrant.kill();
            std::thread::sleep(Duration::from_millis(300));
            qdrant.restart();
            let back = Instant::now();
            while ask(&server, "search_docs", json!({ "query": "request" }))["isError"] == true {
                assert!(back.elapsed() < Duration::from_secs(60), "no search is answered any more");
            }
            assert!(sync.wait().expect("a child").success(), "the sync goes on");
            workspace.verified();
            assert_eq!(workspace.export(), workspace.fresh_export());
        }
        drop(asking);
        let (answered, failed) = searches.join().expect("no answer was wrong");
        eprintln!("{answered} searches were answered, {failed} said that the index is down");
        assert!(answered > 0);
    });
}

#[test]
fn a_sync_that_qdrant_does_not_answer_ends_with_5_and_everything_is_as_it_was() {
    let Some((mut qdrant, workspace)) = start() else { return };
    fill(&workspace, 8);
    workspace.synced(&[]);
    let whole = workspace.export();
    workspace.write("part0/page0000.md", page(0, 1));
    qdrant.kill();
    let (code, report) = workspace.sync(&["--set", "index.deadline_seconds=1"]);
    let error = report["error"].as_str().unwrap_or_default();
    assert!(code == 5 && error.contains("docs cannot be used"), "{code}: {report}");
    for command in ["status", "verify", "export"] {
        let (code, _, error) = workspace.run(&[command, "--set", "index.deadline_seconds=1"]);
        assert_eq!(code, 5, "{command}: {error}");
    }
    qdrant.restart();
    assert_eq!(workspace.export(), whole);
    workspace.synced(&[]);
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());
}
