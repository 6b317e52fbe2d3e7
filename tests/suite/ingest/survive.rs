//! A full disk, a damaged index, an interrupted program.

use std::process::{Command, Stdio};

use super::mend::damage;
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

/// In containers only the volume can be written: the images name it to SQLite for its temporary files,
/// which a statement that changes many pages needs.
#[test]
#[cfg(target_os = "linux")]
fn where_only_the_index_s_folder_can_be_written_that_is_enough() {
    let workspace = Workspace::with_index_in("data");
    let long = |version| {
        for i in 0..40 {
            workspace.write(
                &format!("page{i}.md"),
                (0..40).map(|k| page(100 * i + k, version)).collect::<String>(),
            );
        }
    };
    let data = workspace.root().join("data");
    let contained = |program: &str, arguments: &[&str], temporary: bool| {
        let mut command = Command::new("unshare");
        // SQLite looks into both, which may be mounts of their own.
        let script = "mount -o remount,bind,ro / || exit 77
            for temporary in /tmp /var/tmp; do
                mount --rbind $temporary $temporary && mount -o remount,bind,ro $temporary || exit 77
            done
            mount --bind \"$0\" \"$0\" && mount -o remount,bind,rw \"$0\" && cd \"$PWD\" && test ! -w . || exit 77
            exec \"$@\"";
        command.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(&data);
        command.arg(programs::program(program)).args(arguments).arg("--index").arg(workspace.index());
        command
            .current_dir(workspace.root())
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| name == "PATH"));
        if temporary {
            command.env("SQLITE_TMPDIR", &data);
        }
        programs::text(programs::run(&mut command))
    };
    long(0);
    if Command::new("unshare").arg("--version").output().is_err() {
        eprintln!("skipped: there is no unshare");
        return;
    }
    let (code, _, error) = contained("lectern-ingest", &["sync", "docs"], false);
    if code == 77 || error.starts_with("unshare:") {
        eprintln!("skipped: no file system can be made read-only here: {error}");
        return;
    }
    assert!(code == 5 && error.contains("SQLITE_TMPDIR"), "{code} {error}");
    for version in 0..3 {
        long(version);
        for arguments in [&["sync", "docs"][..], &["prune", "--cache", "--builds"], &["verify"]] {
            let (code, out, error) = contained("lectern-ingest", arguments, true);
            assert!(code == 0 && !error.contains("WARN"), "{arguments:?}: {out}{error}");
        }
    }
    // What only reads needs no such folder.
    let (code, out, error) = contained("lectern-serve", &["query", "version2", "--max-results", "20"], false);
    assert!(code == 0 && out.contains("version2"), "{out}{error}");
    assert_eq!(workspace.export(), workspace.fresh_export());
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let workspace = Workspace::with_documents(1);
    damage(&workspace, "CREATE TABLE theirs (a); PRAGMA user_version = 7");
    let before = std::fs::read(workspace.index()).expect("a file");
    let (code, _, error) = workspace.run(&["sync", "docs"]);
    assert!(code == 5 && error.contains("something else") && error.contains("--index"), "{code} {error}");
    assert!(std::fs::read(workspace.index()).expect("a file") == before, "it was written into");
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
