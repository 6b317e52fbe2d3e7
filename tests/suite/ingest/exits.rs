//! Every exit code is reached. (3 is reached in `hostile`, 8 in `mend`.)

use super::workspace::Workspace;
use crate::programs;

#[test]
fn usage_and_configuration_exit_2() {
    let workspace = Workspace::with_documents(1);
    for arguments in [
        &["sync", "--no-such-flag"][..],
        &["sync"],
        &["sync", "docs", "--set", "chunk.max_tokens=many"],
        &["sync", "docs", "--set", "chunk.max_token=100"],
        &["sync", "docs", "--config", "missing.toml"],
        &["sync", "https://github.com/o/r/blob/main/a.md"],
        &["sync", "https://example.org/docs"],
        &["status", "--set", "daemon.schedule=hourly"],
        &["prune"],
        &["rollback"],
    ] {
        // `prune` and `rollback` need an index to be asked about.
        workspace.synced(&[]);
        let (code, out, error) = workspace.run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {out}{error}");
        assert!(!error.is_empty(), "{arguments:?} says what to do");
    }
    let (code, out, _) = workspace.run(&["rollback", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&out).expect("an object, whatever happens");
    assert_eq!((code, &object["exit_code"]), (2, &2.into()));
    std::fs::write(workspace.root().join("lectern.toml"), "[chunk]\nmax_tokns = 5\n")
        .expect("a written file");
    let (code, _, error) = workspace.run(&["sync", "docs"]);
    assert_eq!(code, 2);
    assert!(error.contains("did you mean `max_tokens`?") && error.contains("lectern.toml"), "{error}");
}

/// Images and units set the variable: who changes the file alone must see why nothing changes.
#[test]
fn a_variable_that_stands_above_the_file_is_said_to() {
    let workspace = Workspace::with_documents(1);
    workspace.synced(&[]);
    let says = |in_file: &str| {
        std::fs::write(workspace.root().join("lectern.toml"), format!("[index]\nurl = {in_file:?}\n"))
            .expect("a file");
        let mut status = programs::command("lectern-ingest");
        status.arg("status").env("LECTERN_INDEX_URL", workspace.index()).current_dir(workspace.root());
        let (code, _, error) = programs::text(programs::run(&mut status));
        assert_eq!(code, 0, "{error}");
        error.contains("LECTERN_INDEX_URL stands above index.url")
    };
    assert!(says("http://qdrant.internal:6334/docs"));
    assert!(!says(workspace.index().to_str().expect("UTF-8")));
}

#[test]
fn an_output_that_cannot_be_written_exits_2() {
    let workspace = Workspace::with_documents(1);
    workspace.synced(&[]);
    for arguments in [&["export"][..], &["status"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
        let mut command = workspace.ingest(arguments);
        let ended = crate::programs::run(command.stdout(full));
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&ended.stderr);
        assert!(error.contains("cannot be written") && !error.contains("index"), "{error}");
    }
}

#[test]
fn a_source_that_is_not_there_exits_4() {
    let workspace = Workspace::with_documents(1);
    workspace.synced(&[]);
    let before = workspace.export();
    std::fs::rename(workspace.docs(), workspace.root().join("elsewhere")).expect("a rename");
    let (code, report) = workspace.sync(&[]);
    assert_eq!(code, 4);
    assert!(report["sources"][0]["error"].as_str().is_some_and(|error| error.contains("docs")), "{report}");
    assert_eq!(workspace.export(), before);
}

#[test]
fn an_index_that_cannot_be_used_exits_5() {
    let workspace = Workspace::with_documents(1);
    let no_index = |arguments: &[&str]| {
        let mut command = crate::programs::command("lectern-ingest");
        crate::programs::text(crate::programs::run(command.args(arguments).current_dir(workspace.root())))
    };
    let (code, out, error) = no_index(&["sync", "docs", "--index", "no/such/folder/x.db", "--json"]);
    assert_eq!(code, 5, "{error}");
    assert!(
        serde_json::from_str::<serde_json::Value>(&out).is_ok_and(|report| report["error"].is_string()),
        "{out}"
    );
    std::fs::write(
        workspace.root().join("text.db"),
        "this is no database, but a text of some length\n".repeat(100),
    )
    .expect("a file");
    for arguments in [&["sync", "docs"][..], &["status"], &["verify"], &["export"]] {
        let mut all = arguments.to_vec();
        all.extend(["--index", "text.db"]);
        let (code, _, error) = no_index(&all);
        assert_eq!(code, 5, "{arguments:?}: {error}");
        assert!(error.contains("text.db"), "{error}");
    }
    for arguments in [&["status"][..], &["verify"], &["export"], &["rebuild-ledger"], &["backup", "b.db"]] {
        let mut all = arguments.to_vec();
        all.extend(["--index", "missing.db"]);
        let (code, _, error) = no_index(&all);
        assert_eq!(code, 5, "{arguments:?}: {error}");
        assert!(error.contains("lectern-ingest sync"), "{error}");
        assert!(!workspace.root().join("missing.db").exists(), "{arguments:?} makes no index");
    }
}

#[test]
fn a_guard_exits_6_and_changes_nothing() {
    let workspace = Workspace::with_documents(30);
    workspace.synced(&[]);
    let before = workspace.export();
    for i in 0..16 {
        workspace.remove(&format!("part{}/page{i:04}.md", i % 7));
    }
    workspace.write("new.md", "# New\n\nText.\n");
    let (code, report) = workspace.sync(&[]);
    assert_eq!(code, 6, "{report}");
    assert!(
        report["sources"][0]["error"].as_str().is_some_and(|error| error.contains("--allow-mass-delete"))
    );
    assert_eq!(workspace.export(), before);
    assert_eq!(workspace.synced(&["--allow-mass-delete"])["documents"]["removed"], 16);
    std::fs::remove_dir_all(workspace.docs()).expect("a removed folder");
    std::fs::create_dir(workspace.docs()).expect("a folder");
    assert_eq!(workspace.sync(&[]).0, 6, "a source that yields nothing");
    assert_eq!(workspace.synced(&["--allow-mass-delete"])["documents"]["total"], 0);
    workspace.verified();
}

#[test]
fn the_second_of_two_syncs_exits_7() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let lock = std::fs::File::open(workspace.root().join("lectern.db.lock")).expect("the lock's file");
    lock.lock().expect("nobody holds it");
    let (code, report) = workspace.sync(&[]);
    assert_eq!(code, 7, "{report}");
    for arguments in [&["rebuild-ledger"][..], &["prune", "--cache"], &["verify", "--repair"], &["rollback"]]
    {
        assert_eq!(workspace.run(arguments).0, 7, "{arguments:?}");
    }
    for arguments in [&["status"][..], &["verify"], &["export"], &["backup", "copy.db"]] {
        assert_eq!(workspace.run(arguments).0, 0, "{arguments:?} only reads");
    }
    lock.unlock().expect("it was held");
    workspace.synced(&[]);
}
