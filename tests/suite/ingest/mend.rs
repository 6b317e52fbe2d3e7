//! `verify`, `verify --repair`, `rebuild-ledger`, `backup`, `restore`.

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::workspace::{Workspace, page};

/// Runs SQL on the file with the ledger behind the programs' backs.
pub(super) fn damage(workspace: &Workspace, sql: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(workspace.ledger())
            .create_if_missing(true)
            .foreign_keys(false);
        let mut db = options.connect().await.expect("the index");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await.expect("legal SQL");
        db.close().await.expect("a closed index");
    });
}

fn differences(workspace: &Workspace) -> Vec<Value> {
    let (code, out, error) = workspace.run(&["verify", "--json"]);
    let findings: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    let found = findings["differences"].as_array().expect("a list").clone();
    assert_eq!(code, if found.is_empty() { 0 } else { 8 });
    found
}

#[test]
fn every_kind_of_damage_is_found_and_mended() {
    let workspace = Workspace::with_documents(8);
    workspace.synced(&[]);
    let whole = workspace.export();
    let cases = [
        ("UPDATE chunks SET text = text || 'x' WHERE chunk = (SELECT min(chunk) FROM chunks)", "document"),
        (
            "UPDATE chunks SET content_hash = zeroblob(32) WHERE chunk = (SELECT min(chunk) FROM chunks)",
            "document",
        ),
        (
            "UPDATE chunks SET text_hash = zeroblob(32) WHERE chunk = (SELECT min(chunk) FROM chunks)",
            "document",
        ),
        ("UPDATE chunks SET tokens = tokens + 1 WHERE chunk = (SELECT min(chunk) FROM chunks)", "document"),
        ("UPDATE chunks SET id = randomblob(16) WHERE chunk = (SELECT min(chunk) FROM chunks)", "document"),
        (
            "UPDATE chunks SET start_line = start_line + 1 WHERE chunk = (SELECT min(chunk) FROM chunks)",
            "document",
        ),
        (
            "UPDATE chunks SET heading_path = 'not json' WHERE chunk = (SELECT min(chunk) FROM chunks)",
            "document",
        ),
        (
            "UPDATE documents SET tokens = tokens + 1 WHERE document = (SELECT min(document) FROM documents)",
            "document",
        ),
        ("DELETE FROM chunks WHERE chunk = (SELECT min(chunk) FROM chunks)", "document"),
        ("DELETE FROM fts_1 WHERE rowid = (SELECT min(chunk) FROM chunks)", "full_text"),
        ("INSERT INTO fts_1 (rowid, body) VALUES (99999, 'ghost')", "full_text"),
        ("DELETE FROM ledger_documents WHERE path LIKE 'part1%'", "ledger"),
        ("UPDATE ledger_documents SET chunk_ids = x'00'", "ledger"),
        ("UPDATE ledger_sources SET generation = 77", "ledger"),
        ("DELETE FROM ledger_sources", "ledger"),
        ("UPDATE heads SET documents = 1000", "head"),
        (
            "INSERT INTO chunks SELECT chunk + 5000, 5000, ordinal, id, start_byte, end_byte, start_line, end_line, heading_path, anchor, tokens, context, text, content_hash, text_hash FROM chunks WHERE chunk = (SELECT min(chunk) FROM chunks)",
            "orphan",
        ),
        (
            "INSERT INTO documents SELECT document + 5000, build, source, 'ghost.md', (SELECT max(generation) FROM heads) + 1, blob_sha, title, summary, entities, lines, tokens, updated_at FROM documents WHERE document = (SELECT min(document) FROM documents)",
            "orphan",
        ),
    ];
    for (sql, kind) in cases {
        damage(&workspace, sql);
        let found = differences(&workspace);
        assert!(found.iter().any(|difference| difference["kind"] == kind), "{sql}: {found:#?}");
        let (code, out, error) = workspace.run(&["verify", "--repair"]);
        assert_eq!(code, 0, "{sql}: {out}{error}");
        assert_eq!(differences(&workspace), [] as [Value; 0], "{sql}");
        assert_eq!(workspace.export(), whole, "{sql}");
    }
}

#[test]
fn a_repair_under_other_settings_is_refused() {
    for more in [None, Some("handbook")] {
        let workspace = Workspace::with_documents(3);
        workspace.write("../handbook/on-call.md", page(7, 7));
        let sync: Vec<&str> = ["sync", "docs"].into_iter().chain(more).collect();
        let settings = ["--set", "chunk.max_tokens=300"];
        let (code, _, error) = workspace.run(&[&sync[..], &settings].concat());
        assert_eq!(code, 0, "{error}");
        let whole = workspace.export();
        damage(&workspace, "UPDATE documents SET tokens = tokens + 1 WHERE path LIKE 'part0%'");
        let (code, _, error) = workspace.run(&["verify", "--repair"]);
        assert!(code == 2 && error.contains("the index was made with"), "{code} {error}");
        assert_eq!(workspace.export(), whole);
        let (code, _, error) = workspace.run(&[&["verify", "--repair"][..], &settings].concat());
        assert_eq!(code, 0, "{error}");
        assert_eq!(workspace.export(), whole);
    }
}

#[test]
fn a_lost_ledger_is_rebuilt() {
    let workspace = Workspace::with_documents(8);
    workspace.synced(&[]);
    let lost = "DELETE FROM ledger_documents; DELETE FROM ledger_sources; DELETE FROM ledger_failures";
    damage(&workspace, lost);
    let (code, out, error) = workspace.run(&["rebuild-ledger"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains('8'), "{out}");
    workspace.verified();
    let synced = workspace.synced(&[]);
    assert_eq!((&synced["documents"]["unchanged"], &synced["chunks"]["added"]), (&8.into(), &0.into()));
    // A sync does so by itself.
    damage(&workspace, lost);
    workspace.write("part0/page0000.md", page(0, 1));
    let synced = workspace.synced(&[]);
    assert_eq!((&synced["documents"]["unchanged"], &synced["documents"]["changed"]), (&7.into(), &1.into()));
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());
}

#[test]
fn a_backup_brings_everything_back() {
    let workspace = Workspace::with_documents(8);
    workspace.synced(&[]);
    let whole = workspace.export();
    // What a backup that was killed leaves behind is replaced.
    for left in ["copy.db.part", "copy.db.part-journal"] {
        std::fs::write(workspace.root().join(left), "half a backup").expect("a file");
    }
    assert_eq!(workspace.run(&["backup", "copy.db"]).0, 0);
    for left in ["copy.db.part", "copy.db.part-journal"] {
        assert!(!workspace.root().join(left).exists(), "{left}");
    }
    assert_eq!(workspace.run(&["backup", "copy.db"]).0, 2, "a backup is never overwritten");
    workspace.write("part0/page0000.md", page(0, 1));
    workspace.remove("part1/page0001.md");
    workspace.synced(&[]);
    assert_ne!(workspace.export(), whole);
    assert_eq!(workspace.run(&["restore", "copy.db"]).0, 0);
    assert_eq!(workspace.export(), whole);
    workspace.verified();
    // Into a place where nothing is.
    std::fs::remove_file(workspace.index()).expect("a removed index");
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(format!("{}{ending}", workspace.index().display())).expect("SQLite keeps them");
    }
    assert_eq!(workspace.run(&["restore", "copy.db"]).0, 0);
    assert_eq!(workspace.export(), whole);
    // What is no backup changes nothing.
    std::fs::write(workspace.root().join("bad.db"), "no database\n".repeat(1000)).expect("a file");
    for bad in ["bad.db", "missing.db"] {
        let (code, _, error) = workspace.run(&["restore", bad]);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(bad), "{error}");
    }
    assert_eq!(workspace.export(), whole);
}

#[test]
fn sources_that_left_the_configuration_go_when_pruned() {
    let workspace = Workspace::with_documents(4);
    let configured = |names: &[&str]| {
        let text: String =
            names.iter().map(|name| format!("[[source]]\nname = \"{name}\"\nfolder = \"docs\"\n")).collect();
        std::fs::write(workspace.root().join("lectern.toml"), text).expect("a file");
    };
    configured(&["a", "b"]);
    assert_eq!(workspace.run(&["sync"]).0, 0);
    configured(&["a"]);
    assert_eq!(workspace.run(&["sync"]).0, 0);
    assert!(
        workspace.export().contains("\"source\":\"b\""),
        "gone from the configuration is not gone from the index"
    );
    assert_eq!(workspace.run(&["prune", "--sources"]).0, 0);
    let export = workspace.export();
    assert!(export.contains("\"source\":\"a\"") && !export.contains("\"source\":\"b\""));
    workspace.verified();
    configured(&[]);
    assert_eq!(
        workspace.run(&["prune", "--sources"]).0,
        6,
        "no configuration is no reason to remove everything"
    );
}
