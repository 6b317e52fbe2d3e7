//! A new fingerprint: built beside the old one, switched to in one step, kept for a rollback.

use serde_json::Value;

use super::workspace::{Workspace, page};

fn builds(workspace: &Workspace) -> Vec<(String, u64)> {
    let (_, out, _) = workspace.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&out).expect("one JSON object");
    let build = |build: &Value| {
        (build["state"].as_str().unwrap_or_default().to_owned(), build["documents"].as_u64().unwrap_or(0))
    };
    status["builds"].as_array().expect("a list").iter().map(build).collect()
}

#[test]
fn changed_settings_fill_a_new_build() {
    let workspace = Workspace::with_documents(6);
    workspace.synced(&[]);
    let old = workspace.export();
    let small = ["--set", "chunk.max_tokens=60"];
    assert_eq!(workspace.synced(&small)["documents"]["added"], 6);
    let new = workspace.export();
    assert_ne!(old, new);
    assert_eq!(builds(&workspace), [("kept".to_owned(), 6), ("serving".to_owned(), 6)]);
    workspace.verified();
    assert_eq!(workspace.run(&["rollback"]).0, 0);
    assert_eq!(workspace.export(), old);
    assert_eq!(workspace.run(&["rollback"]).0, 0, "and back again");
    assert_eq!(workspace.export(), new);
    assert_eq!(workspace.run(&["prune", "--builds", "--set", "chunk.max_tokens=60"]).0, 0);
    assert_eq!(builds(&workspace), [("serving".to_owned(), 6)]);
    assert_eq!(workspace.export(), new);
    workspace.verified();
}

#[test]
fn the_old_build_is_served_until_the_new_one_holds_every_source() {
    let workspace = Workspace::with_documents(4);
    let other = workspace.root().join("other");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("x.md"), "# X\n\nElsewhere.\n").expect("a file");
    assert_eq!(workspace.run(&["sync", "docs", "other"]).0, 0);
    let old = workspace.export();
    let small = ["--set", "chunk.max_tokens=60"];
    let report = workspace.synced(&small);
    assert_eq!(report["waiting_for"], serde_json::json!(["other"]));
    assert_eq!(workspace.export(), old, "one source of two is no index");
    assert_eq!(builds(&workspace), [("serving".to_owned(), 5), ("filling".to_owned(), 4)]);
    // The old build stays as it is; what changes meanwhile goes into the new one.
    workspace.write("part0/page0000.md", page(0, 1));
    workspace.synced(&small);
    assert_eq!(workspace.export(), old);
    assert_eq!(workspace.run(&["sync", "other", "--set", "chunk.max_tokens=60"]).0, 0);
    assert!(workspace.export().contains("version1"));
    workspace.verified();
}
