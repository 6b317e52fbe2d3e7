//! Bad input gets a clear error and loses nothing.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::workspace::Workspace;
use crate::programs;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn a_hostile_folder_is_indexed_but_for_what_cannot_be() {
    let empty = if std::env::var_os("LECTERN_TEST_QUICK").is_some() { 100 } else { 10_000 };
    let workspace = Workspace::new(&[("good.md", "# Good\n\nReadable words.\n")]);
    for i in 0..empty {
        workspace.write(&format!("empty/{}/{i}.md", i % 100), "");
    }
    workspace.write("broken.md", b"# Broken\n\nfine\n\xff\xfe here\n");
    workspace.write("utf16.md", b"\xff\xfe#\0 \0A\0");
    workspace.write("nul.md", b"# Nul\n\0\n");
    workspace.write("huge.md", vec![b'a'; 50 << 20]);
    let long: String = "one two three four five ".repeat((10 << 20) / 24);
    workspace.write("long line.md", &long);
    let names =
        ["with space.md", "quote\"'`.md", "new\nline.md", "emoji 🦀.md", "back\\slash.md", "percent%41.md"];
    for name in names {
        workspace.write(name, format!("# Named\n\nA file called {name:?}.\n"));
    }
    symlink(workspace.docs(), workspace.docs().join("loop")).expect("a link");
    symlink("nowhere.md", workspace.docs().join("dangling.md")).expect("a link");
    workspace.write("secret.md", "# Not readable\n");
    std::fs::set_permissions(workspace.docs().join("secret.md"), std::fs::Permissions::from_mode(0o000))
        .expect("a mode");
    workspace.write("locked/inner.md", "# Not reachable\n");
    std::fs::set_permissions(workspace.docs().join("locked"), std::fs::Permissions::from_mode(0o000))
        .expect("a mode");
    let unnamed = workspace.docs().join(std::ffi::OsStr::from_bytes(b"not utf8 \xff.md"));
    std::fs::write(unnamed, "# Unnamed\n").expect("a written file");

    let (code, out, error) =
        programs::text(programs::run(&mut as_nobody(&workspace, &["sync", "docs", "--json"])));
    std::fs::set_permissions(workspace.docs().join("locked"), std::fs::Permissions::from_mode(0o755))
        .expect("a mode");
    assert_eq!(code, 3, "{error}");
    let report: Value = serde_json::from_str(&out).expect("one JSON object");
    let report = &report["sources"][0];
    let mut failures: Vec<(String, String)> = report["failures"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|failure| {
            (
                failure["path"].as_str().expect("a path").to_owned(),
                failure["reason"].as_str().expect("a reason").to_owned(),
            )
        })
        .collect();
    failures.sort();
    let expected = [
        ("broken.md", "line 4"),
        ("dangling.md", "vanished"),
        ("huge.md", "max_file_bytes"),
        ("locked", "permission denied"),
        ("loop", "leads back"),
        ("not utf8 \u{fffd}.md", "not UTF-8"),
        ("nul.md", "NUL"),
        ("secret.md", "permission denied"),
        ("utf16.md", "UTF-16"),
    ];
    assert_eq!(
        failures.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        expected.map(|(path, _)| path),
        "{failures:#?}"
    );
    for ((path, reason), (_, part)) in failures.iter().zip(expected) {
        assert!(reason.contains(part), "{path}: {reason}");
    }
    assert_eq!(report["documents"]["total"], 2 + names.len() + empty);
    let export = workspace.export();
    for name in names {
        assert!(export.contains(&serde_json::to_string(name).expect("JSON")), "{name}");
    }
    workspace.verified();

    // What failed is tried again: one folder can be read now, the others are said again.
    let (code, out, _) =
        programs::text(programs::run(&mut as_nobody(&workspace, &["sync", "docs", "--json"])));
    let again: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(code, 3);
    let again = &again["sources"][0];
    assert_eq!(
        (&again["documents"]["added"], again["failures"].as_array().map(Vec::len)),
        (&1.into(), Some(8))
    );
}

/// A command as a user who may not read everything; root may.
fn as_nobody(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.ingest(arguments);
    if am_root(workspace.root()) {
        for entry in [workspace.root().to_owned(), workspace.index()] {
            if entry.exists() {
                std::os::unix::fs::chown(&entry, Some(NOBODY), None).expect("root may");
            }
        }
        command.uid(NOBODY);
    }
    command
}

fn am_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).is_ok_and(|metadata| metadata.uid() == 0 || metadata.uid() == NOBODY)
}

#[test]
fn a_document_that_breaks_keeps_its_old_version() {
    let workspace = Workspace::new(&[("a.md", "# A\n\nThe old words.\n"), ("b.md", "# B\n\nOther.\n")]);
    workspace.synced(&[]);
    workspace.write("a.md", b"# A\n\n\xff\n");
    workspace.write("c.md", "# C\n\nNew.\n");
    let (code, report) = workspace.sync(&[]);
    assert_eq!(code, 3, "{report}");
    assert_eq!(report["sources"][0]["documents"]["added"], 1);
    let export = workspace.export();
    assert!(export.contains("The old words.") && export.contains("\"c.md\""), "{export}");
    workspace.write("a.md", "# A\n\nThe new words.\n");
    assert_eq!(workspace.synced(&[])["documents"]["changed"], 1);
    assert!(!workspace.export().contains("The old words."));
    workspace.verified();
}

#[test]
fn strange_front_matter_loses_no_document() {
    let workspace = Workspace::new(&[
        ("list.md", "---\n- a\n- b\n---\n\n# List\n\nText.\n"),
        ("broken.md", "---\ntitle: [unclosed\n---\n\n# Broken\n\nText.\n"),
        ("open.md", "---\ntitle: never closed\n\n# Open\n\nText.\n"),
        ("number.md", "---\ntitle: 42\ndraft: \"no\"\n---\n\nText.\n"),
        (
            "bomb.md",
            "---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ntitle: Bomb\n---\n\nText.\n",
        ),
        ("toml.md", "+++\ntitle = \"Toml\"\n+++\n\nText.\n"),
    ]);
    assert_eq!(workspace.synced(&[])["documents"]["total"], 6);
    workspace.verified();
}
