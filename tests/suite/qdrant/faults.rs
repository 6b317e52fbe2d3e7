//! The same results over a bad network.

use std::time::Duration;

use serde_json::json;

use super::contract::{ask, fill};
use super::proxy::Proxy;
use super::{Collections, shared};
use crate::ingest::workspace::{Workspace, page};
use crate::programs::Server;

#[test]
fn over_a_network_that_delays_and_cuts_a_sync_ends_in_the_same_index() {
    let Some(url) = shared() else { return };
    let Some(port) = url.strip_prefix("http://127.0.0.1:").and_then(|port| port.parse().ok()) else {
        eprintln!("skipped: {url} is not on this machine");
        return;
    };
    let collections = Collections::at(url);
    let proxy = Proxy::before(port);
    let workspace = Workspace::new(&[]).with_index(format!("{}/{}", proxy.url(), collections.name));
    fill(&workspace, 60);
    proxy.delay(Duration::from_millis(5));
    proxy.cut(5, 20_000);
    workspace.synced(&[]);
    assert_eq!(proxy.left(), 0, "every connection that was to be cut was");
    for i in (0..60).step_by(2) {
        workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 1));
    }
    proxy.cut(5, 20_000);
    workspace.synced(&[]);
    assert_eq!(proxy.left(), 0, "every connection that was to be cut was");
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());

    // A search is answered, or says that it was not.
    let server = Server::start(&workspace.index());
    proxy.cut(10, 20_000);
    let mut answered = 0;
    for _ in 0..40 {
        let found = ask(&server, "search_docs", json!({ "query": "request", "max_results": 5 }));
        if found["isError"] != true {
            assert_eq!(found["structuredContent"]["results"].as_array().map(Vec::len), Some(5), "{found}");
            answered += 1;
        }
    }
    assert!(answered > 0, "no search is ever answered");
}
