//! A full disk, a damaged index, an interrupted program.

use std::process::{Command, Stdio};

use super::workspace::{Workspace, page};
use crate::programs;

#[test]
fn a_full_disk_leaves_the_old_index() {
    let workspace = Workspace::with_documents(10);
    workspace.synced(&[]);
    let before = workspace.export();
    for i in 0..2000 {
        workspace.write(&format!("more/page{i}.md"), page(i, 0));
    }
    let mut exits = Vec::new();
    // No file may grow beyond these sizes (in blocks of 512 bytes): like a disk that fills up.
    for blocks in [200, 1000, 3000] {
        let mut limited = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" sync docs --json --index \"$1\"");
        limited
            .args(["-c", &script])
            .arg(programs::program("lectern-ingest"))
            .arg(workspace.index())
            .current_dir(workspace.root());
        let (code, _, error) = programs::text(programs::run(&mut limited));
        if code == 5 {
            assert!(
                error.contains("lectern.db") && (error.contains("disk") || error.contains("space")),
                "{error}"
            );
            assert_eq!(workspace.export(), before, "at {blocks} blocks");
            workspace_is_clean(&workspace);
        }
        exits.push(code);
    }
    assert!(exits.contains(&5), "the disk was never full: {exits:?}");
    assert_eq!(workspace.sync(&[]).0, 0);
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());
}

/// Whatever the failed run left is at most staged rows, which nobody sees.
fn workspace_is_clean(workspace: &Workspace) {
    let (code, out, error) = workspace.run(&["verify"]);
    assert!(
        code == 0
            || (code == 8
                && out
                    .lines()
                    .filter(|line| !line.contains("looked at"))
                    .all(|line| line.starts_with("orphan"))),
        "{out}{error}"
    );
}

#[test]
fn a_damaged_index_is_said_to_be_and_what_to_do() {
    let workspace = Workspace::with_documents(50);
    workspace.synced(&[]);
    let mut file = std::fs::read(workspace.index()).expect("the index");
    // All but the first page, which says that it is a database.
    file[4096..].fill(0xa5);
    std::fs::write(workspace.index(), file).expect("damage");
    for command in [&["export"][..], &["sync", "docs"], &["status"]] {
        let (code, _, error) = workspace.run(command);
        assert_eq!(code, 5, "{command:?}: {error}");
        assert!(error.contains("malformed") && error.contains("restore a backup"), "{command:?}: {error}");
    }
}

#[test]
fn after_a_sync_the_log_is_empty_but_there() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let log = std::fs::metadata(workspace.root().join("lectern.db-wal")).expect("readers need it");
    assert_eq!(log.len(), 0, "a log that is replayed must be intact; an empty one is");
}

#[test]
fn a_sync_that_is_interrupted_publishes_nothing_and_says_so() {
    let workspace = Workspace::with_documents(10);
    workspace.synced(&[]);
    let before = workspace.export();
    for i in 0..3000 {
        workspace.write(&format!("more/page{i}.md"), page(i, 0));
    }
    let mut child = workspace
        .ingest(&["sync", "docs"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    std::thread::sleep(std::time::Duration::from_millis(150));
    programs::signal(child.id(), "TERM");
    let status = programs::ended(&mut child);
    if status.success() {
        return; // A machine this fast was done already.
    }
    let error = std::io::read_to_string(child.stderr.take().expect("a pipe")).expect("text");
    assert!(error.contains("SIGTERM") && error.contains("next sync"), "{error}");
    assert_eq!(workspace.export(), before);
    workspace.synced(&[]);
    assert_eq!(workspace.export(), workspace.fresh_export());
}
