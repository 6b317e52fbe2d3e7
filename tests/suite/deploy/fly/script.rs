//! `scripts/fly-ingest`, with a `fly` that only remembers what it was told.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::programs::{root, run, text};

/// A `fly` with machines and volumes in files: what it is asked stands in `calls`.
const FLY: &str = r#"#!/bin/sh
echo "$*" >>calls
case "$1 $2" in
  "deploy "*) [ ! -e broken ] ;;
  "volumes list") cat volumes 2>/dev/null || echo null ;;
  "volumes create") echo '{"id": "vol_1"}'; echo '[{"id": "vol_1", "name": "lectern_ledger"}]' >volumes ;;
  "machine list") cat machines 2>/dev/null || echo null ;;
  "machine run") echo '[{"id": "m1", "name": "sync"}]' >machines ;;
esac
"#;

/// Exit code and output of the script, and what it told `fly`, whose state is in `folder`.
fn fly_ingest(folder: &Path, arguments: &[&str]) -> (i32, String, Vec<String>) {
    let program = folder.join("fly");
    // The script works in the repository, its `fly` in the folder.
    std::fs::write(&program, FLY.replacen('\n', "\ncd \"$(dirname \"$0\")\"\n", 1)).expect("a program");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("permissions");
    let _ = std::fs::remove_file(folder.join("calls"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    let mut script = Command::new("python3");
    script.arg(root().join("scripts/fly-ingest")).args(arguments).env("PATH", path);
    let (code, out, error) = text(run(&mut script));
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap_or_default();
    (code, out + &error, calls.lines().map(str::to_owned).collect())
}

/// The one call that begins like this.
fn call<'a>(calls: &'a [String], begins: &str) -> &'a str {
    let found: Vec<&String> = calls.iter().filter(|call| call.starts_with(begins)).collect();
    assert_eq!(found.len(), 1, "{begins}: {calls:?}");
    found[0]
}

#[test]
fn a_second_run_makes_nothing_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, out, calls) = fly_ingest(folder.path(), &[]);
    assert_eq!(code, 0, "{out}");
    call(&calls, "volumes create lectern_ledger --app lectern-ingest --region fra --yes --json --size 1");
    let made = call(&calls, "machine run registry.fly.io/lectern-ingest:sync-");
    for part in [
        " sync --name sync --region fra --volume vol_1:/data ",
        " --schedule hourly --vm-size shared-cpu-1x --vm-memory 512mb --restart no ",
        " --env LECTERN_INDEX_URL=http://lectern-qdrant.internal:6334/docs ",
        " --env LECTERN_INDEX_LEDGER=/data/ledger.db ",
        " --file-local /etc/lectern/lectern.toml=lectern.toml",
    ] {
        assert!(made.contains(part), "{part} is not in {made}");
    }
    let (code, out, calls) = fly_ingest(folder.path(), &["daily"]);
    assert_eq!(code, 0, "{out}");
    let updated = call(&calls, "machine update m1 --image registry.fly.io/lectern-ingest:sync-");
    assert!(
        updated.contains(" --command sync --yes ") && updated.contains(" --schedule daily "),
        "{updated}"
    );
    assert!(!calls.iter().any(|call| call.contains("create") || call.contains("machine run")), "{calls:?}");
}

#[test]
fn where_it_must_not_go_on_it_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let changes = |calls: &[String]| calls.iter().any(|call| !call.contains(" list "));
    let (code, out, calls) = fly_ingest(folder.path(), &["minutely"]);
    assert!(code == 1 && out.contains("hourly | daily") && calls.is_empty(), "{out}");
    let write =
        |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("a file");
    // The daemon's machine has the volume.
    write("machines", r#"[{"id": "m7", "name": "quiet-dawn-7"}]"#);
    let (code, out, calls) = fly_ingest(folder.path(), &[]);
    assert!(code == 1 && out.contains("fly machine destroy --force m7") && !changes(&calls), "{out}");
    write("machines", "null");
    write("volumes", r#"[{"id": "v1", "name": "lectern_ledger"}, {"id": "v2", "name": "lectern_ledger"}]"#);
    let (code, out, calls) = fly_ingest(folder.path(), &[]);
    assert!(code == 1 && out.contains("v1, v2"), "{out}");
    assert!(!calls.iter().any(|call| call.starts_with("machine run")), "{calls:?}");
    write("broken", "");
    let (code, out, calls) = fly_ingest(folder.path(), &[]);
    assert!(code == 1 && out.contains("fly deploy --config failed"), "{out}");
    assert!(!calls.iter().any(|call| call.starts_with("volumes create")), "{calls:?}");
}
