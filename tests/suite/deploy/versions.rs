//! Programs and indexes of two versions: what is too new is left alone and says what to use.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{ConnectOptions, Connection};

use crate::ingest::workspace::Workspace;
use crate::programs::{Server, output, root};

/// Version of the program that makes the index of the next schema.
const NEXT: &str = "7.8.9";

/// What the next schema might change: a column more, a table rebuilt as SQLite's manual has it, a new table.
const NEXT_SCHEMA: &str = "
    ALTER TABLE documents ADD COLUMN language TEXT;
    CREATE TABLE runs_later (
        run_id TEXT NOT NULL, source TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT NOT NULL,
        exit_code INTEGER NOT NULL, report TEXT NOT NULL, host TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (run_id, source, host)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO runs_later (run_id, source, started_at, finished_at, exit_code, report)
        SELECT run_id, source, started_at, finished_at, exit_code, report FROM runs;
    DROP TABLE runs;
    ALTER TABLE runs_later RENAME TO runs;
    CREATE TABLE later (it INTEGER PRIMARY KEY) STRICT;";

/// Brings an index to the next schema, as the programs of the next version would: with the migrations of
/// this repository and one more.
pub(super) fn make_newer(index: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut last = 0;
    for file in std::fs::read_dir(root().join("migrations")).expect("the migrations") {
        let file = file.expect("a migration");
        let name = file.file_name().into_string().expect("UTF-8");
        last = last.max(name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or(0));
        std::fs::copy(file.path(), folder.path().join(name)).expect("a copy");
    }
    assert_eq!(last, lectern_index::sqlite::SCHEMA, "the programs know the last migration");
    let next = folder.path().join(format!("{:04}_later.sql", last + 1));
    std::fs::write(next, NEXT_SCHEMA).expect("a migration");
    migrate(index, folder.path());
    change(index, "PRAGMA user_version = 7008009");
}

/// Runs the migrations of a folder on an index.
fn migrate(index: &Path, folder: &Path) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let migrator = sqlx::migrate::Migrator::new(folder).await.expect("migrations");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(index).create_if_missing(true);
        let mut db = options.connect().await.expect("the index");
        migrator.run(&mut db).await.expect("a migrated index");
        db.close().await.expect("a closed index");
    });
}

/// Every row of the tables that both schemas have, in the columns of this one.
fn rows(index: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let tables = [
        ("builds", "build, fingerprint, state, embedder, dimensions, chunk, created_at, switched_at"),
        ("heads", "build, source, generation, commit_sha, indexed_at, checked_at, documents, chunks"),
        (
            "documents",
            "document, build, source, path, generation, blob_sha, title, summary, entities, lines, tokens",
        ),
        (
            "chunks",
            "chunk, document, ordinal, hex(id), start_byte, end_byte, heading_path, text, hex(text_hash)",
        ),
        ("fts_1", "rowid, title, headings, body"),
        ("ledger_documents", "fingerprint, source, path, blob_sha, hex(chunk_ids), skipped"),
        ("ledger_sources", "fingerprint, source, generation, indexed_at, commit_sha, settings, origin"),
        ("ledger_failures", "fingerprint, source, path, reason"),
        ("runs", "run_id, source, started_at, finished_at, exit_code, report"),
    ];
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(index).read_only(true);
        let mut db = options.connect().await.expect("the index");
        let mut all = BTreeMap::new();
        for (table, columns) in tables {
            let sql = format!("SELECT json_array({columns}) FROM {table} ORDER BY 1");
            let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut db).await;
            all.insert(table, rows.unwrap_or_else(|error| panic!("{table}: {error}")));
        }
        all
    })
}

fn change(index: &Path, sql: &'static str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(index);
        let mut db = options.connect().await.expect("the index");
        sqlx::raw_sql(sql).execute(&mut db).await.expect("legal SQL");
        db.close().await.expect("a closed index");
    });
}

fn made_by(index: &Path) -> i64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(index).read_only(true);
        let mut db = options.connect().await.expect("the index");
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut db).await.expect("a number")
    })
}

#[test]
fn an_index_says_which_version_made_it() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let numbers =
        |version: &str| version.split('.').map(|part| part.parse::<i64>().expect("a number")).collect();
    let parts: Vec<i64> = numbers(env!("CARGO_PKG_VERSION"));
    let ours = parts.iter().fold(0, |number, part| number * 1000 + part);
    assert_eq!(made_by(&workspace.index()), ours);
    // So does its backup, and what is restored from it.
    assert_eq!(workspace.run(&["backup", "copy.db"]).0, 0);
    assert_eq!(made_by(&workspace.root().join("copy.db")), ours);
    // An index from before that was recorded learns it; what a newer one wrote stays.
    for (before, after) in [("PRAGMA user_version = 0", ours), ("PRAGMA user_version = 9000000", 9_000_000)] {
        change(&workspace.index(), before);
        workspace.synced(&[]);
        assert_eq!(made_by(&workspace.index()), after);
    }
}

#[test]
fn a_newer_index_is_left_alone_and_names_the_version_to_use() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let (whole, kept) = (workspace.export(), rows(&workspace.index()));
    assert_eq!(kept["documents"].len(), 3);
    assert_eq!(kept["runs"].len(), 1);
    assert_eq!(workspace.run(&["backup", "before.db"]).0, 0);
    make_newer(&workspace.index());
    assert_eq!(rows(&workspace.index()), kept, "an upgrade of the schema loses nothing");
    let before = std::fs::read(workspace.index()).expect("the index");
    let index = workspace.index();
    let index = index.to_str().expect("a path in UTF-8");

    let use_ingest = format!("use lectern-ingest {NEXT} or newer");
    for command in [
        &["sync", "docs"][..],
        &["sync", "docs", "--dry-run"],
        &["status"],
        &["verify"],
        &["verify", "--repair"],
        &["rebuild-ledger"],
        &["backup", "after.db"],
        &["restore", "before.db"],
        &["prune", "--builds"],
        &["rollback"],
    ] {
        let (code, out, error) = workspace.run(command);
        assert_eq!(code, 5, "{command:?}: {out}{error}");
        assert!(error.contains(&use_ingest), "{command:?}: {error}");
    }
    let (code, _, error) = output("lectern-serve", &["query", "page", "--index", index]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains(&format!("use lectern-serve {NEXT} or newer")), "{error}");
    assert!(std::fs::read(workspace.index()).expect("the index") == before, "nothing was changed");

    // The way back: the index of the newer version moves away, the backup from before it comes in.
    std::fs::rename(index, workspace.root().join("newer.db")).expect("a rename");
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(format!("{index}{ending}")).expect("SQLite keeps them");
    }
    let (code, _, error) = workspace.run(&["restore", "newer.db"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains(&use_ingest), "{error}");
    let (code, _, error) = workspace.run(&["restore", "before.db"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(workspace.export(), whole);
    workspace.verified();
    let report = workspace.synced(&[]);
    assert_eq!(report["documents"]["unchanged"], 3, "nothing is made again: {report}");
    // And forward once more: what the newer version had is still there.
    assert_eq!(rows(&workspace.root().join("newer.db"))["documents"], kept["documents"]);
}

#[test]
fn a_running_server_says_at_once_that_its_index_is_too_new() {
    let workspace = Workspace::with_documents(1);
    workspace.synced(&[]);
    let server = Server::start(&workspace.index());
    let ask = || output("lectern-serve", &["ask", "page", "--url", &server.url("/mcp")]);
    assert_eq!(ask().0, 0);
    make_newer(&workspace.index());
    let (code, out, error) = ask();
    assert_ne!(code, 0, "{out}");
    assert!(error.contains(&format!("use lectern-serve {NEXT} or newer")), "{out}{error}");
}

/// An index of an earlier schema: of before the first migration.
fn make_older(index: &Path) {
    let none = tempfile::tempdir().expect("a folder without migrations");
    migrate(index, none.path());
}

#[test]
fn an_older_index_is_read_after_a_sync_of_this_version() {
    let workspace = Workspace::with_documents(1);
    make_older(&workspace.index());
    let index = workspace.index();
    let query = || output("lectern-serve", &["query", "page", "--index", index.to_str().expect("UTF-8")]);
    let (code, _, error) = query();
    assert_eq!(code, 5, "{error}");
    assert!(error.contains(&format!("run lectern-ingest {} once", env!("CARGO_PKG_VERSION"))), "{error}");
    let (code, _, error) = workspace.run(&["status"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("run `lectern-ingest sync` once"), "{error}");
    workspace.synced(&[]);
    assert_eq!(query().0, 0);
    workspace.verified();
}

/// Where the daemon is what starts first after an upgrade.
#[test]
fn a_daemon_brings_an_older_index_up_to_date_at_the_start() {
    let workspace = Workspace::with_documents(1);
    make_older(&workspace.index());
    let settings = "[daemon]\nlisten = \"127.0.0.1:0\"\n[[source]]\nname = \"docs\"\nfolder = \"gone\"\n";
    std::fs::write(workspace.root().join("lectern.toml"), settings).expect("a file");
    let mut daemon =
        workspace.ingest(&["daemon"]).stderr(std::process::Stdio::null()).spawn().expect("the daemon");
    let started = std::time::Instant::now();
    let mut brought = false;
    while !brought && daemon.try_wait().expect("a child").is_none() && started.elapsed().as_secs() < 30 {
        brought = workspace.run(&["status"]).0 == 0;
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
    // No source can be synced, so it was the start alone.
    assert!(brought);
}
