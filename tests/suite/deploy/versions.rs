//! Programs and indexes of two versions: what is too new is left alone and says what to use.

use std::path::Path;
use std::process::Command;

use sqlx::{ConnectOptions, Connection};

use crate::ingest::workspace::Workspace;
use crate::programs::{output, root, run, text};

/// Version of the program that makes the index of the next schema.
const NEXT: &str = "7.8.9";

/// Makes an index one that a later version has brought up to date.
pub(super) fn make_newer(index: &Path) {
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               SELECT max(version) + 1, 'later', true, x'00', 0 FROM _sqlx_migrations; \
               CREATE TABLE later (it INTEGER); PRAGMA user_version = 7008009;";
    change(index, sql);
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
    let whole = workspace.export();
    assert_eq!(workspace.run(&["backup", "before.db"]).0, 0);
    make_newer(&workspace.index());
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
}

/// An index of an earlier schema is brought up to date by a sync alone, and readers say so until then.
#[test]
fn an_older_index_is_read_after_a_sync_of_this_version() {
    let workspace = Workspace::with_documents(1);
    workspace.synced(&[]);
    change(&workspace.index(), "UPDATE _sqlx_migrations SET version = 0");
    let index = workspace.index();
    let mut serve = Command::new(crate::programs::program("lectern-serve"));
    serve.args(["query", "page", "--index"]).arg(&index).current_dir(root());
    let (code, _, error) = text(run(&mut serve));
    assert_eq!(code, 5, "{error}");
    assert!(error.contains(&format!("run lectern-ingest {} once", env!("CARGO_PKG_VERSION"))), "{error}");
    let (code, _, error) = workspace.run(&["status"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("run `lectern-ingest sync` once"), "{error}");
}
