//! What only reads works for those who may not write, and holds up nobody.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use super::workspace::Workspace;
use crate::programs;

/// Commands that change nothing.
const READING: [&[&str]; 5] = [
    &["sync", "docs", "--dry-run", "--json"],
    &["status", "--json"],
    &["export"],
    &["verify"],
    &["sync", "docs", "--dry-run", "--json", "--set", "chunk.max_tokens=100"],
];

fn permit(workspace: &Workspace, folder: u32, file: u32) {
    for name in ["lectern.db", "lectern.db-wal", "lectern.db-shm", "lectern.db.lock"] {
        let path = workspace.root().join(name);
        if path.exists() {
            std::fs::set_permissions(path, Permissions::from_mode(file)).expect("permissions");
        }
    }
    std::fs::set_permissions(workspace.root(), Permissions::from_mode(folder)).expect("permissions");
}

/// Exit code, stdout and stderr of a command run as `nobody`, where this test may choose that.
fn as_nobody(workspace: &Workspace, arguments: &[&str]) -> (i32, String, String) {
    let mut command = workspace.ingest(arguments);
    let id = std::process::Command::new("id").arg("-u").output().expect("id runs").stdout;
    if id.trim_ascii() == b"0" {
        command.uid(65534).gid(65534);
    }
    programs::text(programs::run(&mut command))
}

#[test]
fn an_index_that_may_not_be_written_is_read() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    workspace.write("new.md", "# New\n\nText.\n");
    permit(&workspace, 0o555, 0o444);
    let before = std::fs::read(workspace.index()).expect("the index");
    for arguments in READING {
        let (code, out, error) = as_nobody(&workspace, arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{error}");
        if arguments.contains(&"--dry-run") {
            let report: serde_json::Value = serde_json::from_str(&out).expect("one object");
            let added = if arguments.len() > 4 { 4 } else { 1 };
            assert_eq!(report["sources"][0]["documents"]["added"], added, "{report}");
        }
    }
    assert!(std::fs::read(workspace.index()).expect("the index") == before, "reading changed the index");
    // Without its log a database in WAL mode cannot be opened by who may not make one.
    permit(&workspace, 0o755, 0o644);
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(workspace.root().join(format!("lectern.db{ending}")));
    }
    permit(&workspace, 0o555, 0o444);
    for arguments in READING {
        let (code, out, error) = as_nobody(&workspace, arguments);
        assert_eq!(code, 5, "{arguments:?}: {out}{error}");
        assert!(error.contains("-wal") && !error.contains("written"), "{arguments:?}: {error}");
    }
    permit(&workspace, 0o755, 0o644);
    workspace.synced(&[]);
    assert_eq!(workspace.run(&["status"]).0, 0);
}

#[tokio::test]
async fn a_dry_run_waits_for_no_writer_and_knows_a_lost_ledger() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(workspace.index());
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the index opens");
    sqlx::query("DELETE FROM ledger_sources").execute(&pool).await.expect("a lost ledger");
    sqlx::query("DELETE FROM ledger_documents").execute(&pool).await.expect("a lost ledger");
    let mut writer = pool.acquire().await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *writer).await.expect("the write lock");
    let before = std::fs::read(workspace.root().join("lectern.db-wal")).expect("the log");
    let report = workspace.synced(&["--dry-run"]);
    assert_eq!(report["documents"]["unchanged"], 3, "{report}");
    assert!(std::fs::read(workspace.root().join("lectern.db-wal")).expect("the log") == before);
    sqlx::query("ROLLBACK").execute(&mut *writer).await.expect("the end");
}

#[test]
fn an_empty_file_is_an_index_that_is_not_made_yet() {
    let workspace = Workspace::with_documents(2);
    std::fs::write(workspace.index(), "").expect("an empty file");
    for arguments in [&["status"][..], &["verify"], &["export"], &["backup", "b.db"], &["rebuild-ledger"]] {
        let (code, out, error) = workspace.run(arguments);
        assert_eq!(code, 5, "{arguments:?}: {out}");
        assert!(error.contains("lectern-ingest sync"), "{arguments:?}: {error}");
    }
    assert_eq!(workspace.synced(&["--dry-run"])["documents"]["added"], 2);
    assert_eq!(std::fs::metadata(workspace.index()).expect("the file").len(), 0);
    assert_eq!(workspace.synced(&[])["documents"]["added"], 2);
}
