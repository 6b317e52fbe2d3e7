//! Keys: serve works with one that can only read, and says so where it could write.

use std::collections::HashMap;
use std::time::Duration;

use qdrant_client::qdrant::{DeletePointsBuilder, Filter};
use serde_json::json;

use super::contract::{ask, fill, paths};
use super::server::{Qdrant, wait};
use super::{Collections, keyless};
use crate::ingest::workspace::Workspace;
use crate::programs::Server;

const WRITE: &str = "key-that-writes-SECRET";
const READ: &str = "key-that-reads-SECRET";

#[test]
fn a_read_only_key_is_enough_to_serve_and_for_nothing_else() {
    let keys = [("QDRANT__SERVICE__API_KEY", WRITE), ("QDRANT__SERVICE__READ_ONLY_API_KEY", READ)];
    let Some(qdrant) = Qdrant::start(&keys) else {
        eprintln!("skipped: LECTERN_TEST_QDRANT_BIN is not set");
        return;
    };
    let workspace = Workspace::new(&[]).with_index(format!("{}/docs", qdrant.url()));
    fill(&workspace, 6);
    let run = |arguments: &[&str], key: &str| {
        let mut ingest = workspace.ingest(arguments);
        let (code, out, error) =
            crate::programs::text(crate::programs::run(ingest.env("QDRANT_API_KEY", key)));
        assert!(!format!("{out}{error}").contains("SECRET"), "a key is shown: {out}{error}");
        (code, error)
    };
    for wrong in ["", "wrong-SECRET"] {
        let (code, error) = run(&["sync", "docs"], wrong);
        assert!(code == 5 && error.contains("QDRANT_API_KEY"), "{error}");
    }
    assert_eq!(run(&["sync", "docs"], WRITE).0, 0);
    let (code, error) = run(&["sync", "docs"], READ);
    assert!(code == 5 && error.contains("QDRANT_API_KEY"), "{error}");

    let server = Server::with(&workspace.index(), &[], &HashMap::from([("QDRANT_API_KEY", READ)]));
    assert_eq!(paths(&server, json!({ "query": "page", "max_results": 50, "max_tokens": 20000 })).len(), 6);
    let fetched = ask(&server, "fetch_doc", json!({ "path": "part0/page0000.md" }));
    assert!(fetched["structuredContent"]["content"].as_str().is_some_and(|text| text.contains("version0")));
    for tool in ["list_docs", "get_index_status"] {
        assert_ne!(ask(&server, tool, json!({}))["isError"], true);
    }
    assert!(!server.log().contains("WRITE"), "{}", server.log());

    let loud = Server::with(&workspace.index(), &[], &HashMap::from([("QDRANT_API_KEY", WRITE)]));
    ask(&loud, "get_index_status", json!({}));
    assert!(loud.log().contains("would let it WRITE"), "{}", loud.log());
    assert!(!loud.log().contains("SECRET"), "{}", loud.log());

    // What serve holds is refused by Qdrant, whatever it would try.
    let refused = wait(async {
        let client = qdrant_client::Qdrant::from_url(&qdrant.url()).api_key(READ).skip_compatibility_check();
        let everything = DeletePointsBuilder::new("docs").points(Filter::default()).wait(true);
        client.build().expect("a client").delete_points(everything).await
    });
    assert!(refused.expect_err("a refusal").to_string().contains("permission"));
    assert_eq!(run(&["verify"], READ).0, 0);
}

#[test]
fn what_cannot_be_a_key_is_refused_and_not_shown() {
    for program in ["lectern-ingest", "lectern-serve"] {
        let mut command = crate::programs::command(program);
        command.args(if program == "lectern-ingest" { vec!["status"] } else { vec!["query", "x"] });
        command.args(["--index", "http://127.0.0.1:1/docs"]).env("QDRANT_API_KEY", "SECRET1\nSECRET2");
        let (code, out, error) = crate::programs::text(crate::programs::run(&mut command));
        assert!(code != 0 && error.contains("QDRANT_API_KEY"), "{program}: {code} {error}");
        assert!(!out.contains("SECRET") && !error.contains("SECRET"), "{program}: a secret got out");
    }
}

#[test]
fn without_a_key_serve_warns() {
    let Some(url) = keyless() else { return };
    let collections = Collections::at(url);
    let workspace = Workspace::new(&[("a.md", "# A\n\ntext\n")]).with_index(collections.index());
    workspace.synced(&[]);
    let server = Server::start(&workspace.index());
    // The log comes through a pipe, and where Qdrant was busy the proof is tried again by the next call.
    for _ in 0..100 {
        ask(&server, "get_index_status", json!({}));
        if server.log().contains("would let it WRITE") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(server.log().contains("would let it WRITE"), "{}", server.log());
    let (code, _, error) = workspace.run(&["export"]);
    assert!(code == 0 && !error.contains("WRITE"), "ingest may write: {error}");
    assert_eq!(paths(&server, json!({ "query": "text" })), ["a.md"], "nothing was deleted to find out");
}
