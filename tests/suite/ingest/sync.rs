//! What a sync makes of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use lectern_index::chunk::Hash;
use serde_json::Value;

use super::workspace::{Workspace, page};
use crate::programs;

#[test]
fn an_unchanged_folder_is_not_written_again() {
    let workspace = Workspace::with_documents(20);
    let first = workspace.synced(&[]);
    assert_eq!((&first["documents"]["added"], &first["generation"]), (&20.into(), &1.into()));
    let again = workspace.synced(&[]);
    assert_eq!((&again["documents"]["unchanged"], &again["generation"]), (&20.into(), &1.into()));
    assert_eq!((&again["documents"]["added"], &again["chunks"]["added"]), (&0.into(), &0.into()));
    assert_eq!(again["chunks"]["reused"], first["chunks"]["total"]);
}

#[test]
fn the_export_is_the_same_whatever_happened_between() {
    let workspace = Workspace::with_documents(12);
    workspace.synced(&[]);
    let first = workspace.export();
    assert!(!first.is_empty());
    // Touched: new times, old content.
    workspace.write("part0/page0000.md", page(0, 0));
    workspace.synced(&[]);
    assert_eq!(workspace.export(), first);
    workspace.write("part1/page0001.md", page(1, 1));
    workspace.write("part2/new.md", "# New\n\nA page.\n");
    workspace.remove("part3/page0003.md");
    let edited = workspace.synced(&["--allow-mass-delete"]);
    let counts = ["added", "changed", "removed", "unchanged"].map(|name| edited["documents"][name].as_u64());
    assert_eq!(counts, [1, 1, 1, 10].map(Some));
    assert_ne!(workspace.export(), first);
    workspace.write("part1/page0001.md", page(1, 0));
    workspace.remove("part2/new.md");
    workspace.write("part3/page0003.md", page(3, 0));
    workspace.synced(&[]);
    assert_eq!(workspace.export(), first);
    workspace.verified();
}

#[test]
fn renaming_every_file_makes_nothing_again() {
    let workspace = Workspace::with_documents(15);
    let first = workspace.synced(&[]);
    std::fs::rename(workspace.docs().join("part0"), workspace.docs().join("moved")).expect("a rename");
    for i in 1..7 {
        let (from, to) = (format!("part{i}"), format!("other{i}"));
        std::fs::rename(workspace.docs().join(from), workspace.docs().join(to)).expect("a rename");
    }
    let renamed = workspace.synced(&[]);
    assert_eq!(renamed["documents"]["renamed"], 15);
    assert_eq!((&renamed["documents"]["added"], &renamed["documents"]["removed"]), (&0.into(), &0.into()));
    assert_eq!(
        (&renamed["chunks"]["added"], &renamed["chunks"]["reused"]),
        (&0.into(), &first["chunks"]["total"])
    );
    assert_eq!(workspace.export(), workspace.fresh_export());
    workspace.verified();
}

#[test]
fn equal_files_are_two_documents() {
    let workspace = Workspace::new(&[("a.md", "# One\n\nThe same.\n"), ("b.md", "# One\n\nThe same.\n")]);
    assert_eq!(workspace.synced(&[])["documents"]["total"], 2);
    workspace.remove("a.md");
    assert_eq!(workspace.synced(&[])["documents"]["total"], 1);
    assert!(workspace.export().contains("\"path\":\"b.md\""));
    workspace.verified();
}

#[test]
fn drafts_come_and_go() {
    let draft = "---\ndraft: true\ntitle: X\n---\n\n# X\n\nNot yet.\n";
    let workspace = Workspace::new(&[
        ("a.md", "# A\n\nText.\n"),
        ("b.md", draft),
        ("c.md", "+++\ndraft = true\n+++\nText.\n"),
    ]);
    let first = workspace.synced(&[]);
    assert_eq!(
        (&first["documents"]["total"], first["skipped"].as_array().map(Vec::len)),
        (&1.into(), Some(2))
    );
    // Still known, still said, not read into the index.
    let again = workspace.synced(&[]);
    assert_eq!((&again["generation"], again["skipped"].as_array().map(Vec::len)), (&1.into(), Some(2)));
    workspace.write("b.md", "# X\n\nNow.\n");
    assert_eq!(workspace.synced(&[])["documents"]["added"], 1);
    workspace.write("b.md", draft);
    let hidden = workspace.synced(&[]);
    assert_eq!((&hidden["documents"]["removed"], &hidden["documents"]["total"]), (&1.into(), &1.into()));
    workspace.verified();
}

#[test]
fn only_documentation_counts() {
    let text = "# A\n\nText.\n";
    let workspace = Workspace::new(&[
        ("a.md", text),
        ("b.MDX", text),
        ("c.mdx", text),
        ("d.markdown", text),
        ("e.txt", text),
        (".hidden/a.md", text),
        (".b.md", text),
        ("ignored/a.md", text),
        ("x/skipped.md", text),
        (".gitignore", "ignored/\n"),
    ]);
    let outside = workspace.root().join("outside.md");
    std::fs::write(&outside, "# Secret\n").expect("a written file");
    std::os::unix::fs::symlink(&outside, workspace.docs().join("link.md")).expect("a link");
    std::os::unix::fs::symlink(workspace.docs().join("a.md"), workspace.docs().join("inside.md"))
        .expect("a link");
    std::fs::write(
        workspace.root().join("lectern.toml"),
        "[[source]]\nname = \"docs\"\nfolder = \"docs\"\nexclude = [\"x/**\"]\n",
    )
    .expect("a written file");
    let report = workspace.synced(&[]);
    let export = workspace.export();
    let mut paths: Vec<String> =
        lines(&export).iter().map(|line| line["path"].as_str().expect("a path").to_owned()).collect();
    paths.dedup();
    assert_eq!(paths, ["a.md", "c.mdx", "d.markdown", "inside.md"]);
    assert!(report["skipped"].to_string().contains("link.md"), "{report}");
    assert!(!export.contains("Secret"));
}

fn lines(export: &str) -> Vec<Value> {
    export.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn every_chunk_of_the_corpora_can_be_checked() {
    let mut export = programs::command("lectern-ingest");
    let (code, out, error) =
        programs::text(programs::run(export.args(["export", "--index"]).arg(programs::corpora_index())));
    assert_eq!(code, 0, "{error}");
    let folders: BTreeMap<String, _> = programs::corpora()
        .into_iter()
        .map(|folder| (folder.file_name().expect("a name").to_string_lossy().into_owned(), folder))
        .collect();
    let mut checked = 0;
    let mut ends: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut sorted = Vec::new();
    for line in lines(&out) {
        let text = |key: &str| line[key].as_str().expect("a string").to_owned();
        let number = |key: &str| line[key].as_u64().expect("a number");
        let (source, path) = (text("source"), text("path"));
        let file = std::fs::read_to_string(folders[&source].join(&path)).expect("the file");
        let span = &file[number("start_byte") as usize..number("end_byte") as usize];
        assert_eq!(span, text("text"), "{path}");
        assert_eq!(Hash::of(span.as_bytes()).to_string(), text("content_hash"), "{path}");
        let cited = cited_lines(&file, number("start_line"), number("end_line"));
        let starts_line =
            number("start_byte") == 0 || file.as_bytes()[number("start_byte") as usize - 1] == b'\n';
        if starts_line && span.ends_with('\n') {
            assert_eq!(cited, span, "{path}");
        } else {
            assert!(cited.contains(span), "{path}: a cut inside a line lies within the cited lines");
        }
        assert!(number("tokens") <= 512, "{path}");
        assert!(line["permalink"].is_null() && line.get("commit").is_none());
        let end = ends.entry((source.clone(), path.clone())).or_insert(number("start_byte"));
        assert_eq!(*end, number("start_byte"), "{path}: spans follow each other without a gap");
        *end = number("end_byte");
        sorted.push((source, path, number("ordinal")));
        checked += 1;
    }
    for ((source, path), end) in ends {
        let bytes = std::fs::metadata(folders[&source].join(&path)).expect("the file").len();
        assert_eq!(end, bytes, "{path}: the last span ends with the file");
    }
    assert!(sorted.is_sorted(), "by source, path, ordinal");
    assert!(checked > 10, "{checked} chunks");
}

fn cited_lines(file: &str, first: u64, last: u64) -> String {
    file.split_inclusive('\n').skip(first as usize - 1).take((last - first + 1) as usize).collect()
}

#[test]
fn a_dry_run_changes_nothing() {
    let workspace = Workspace::with_documents(5);
    let report = workspace.synced(&["--dry-run"]);
    assert_eq!(report["documents"]["added"], 5);
    assert!(!workspace.index().exists(), "a dry run makes no index");
    workspace.synced(&[]);
    let before = workspace.export();
    workspace.write("part0/page0000.md", page(0, 9));
    let report = workspace.synced(&["--dry-run"]);
    assert_eq!((&report["documents"]["changed"], &report["generation"]), (&1.into(), &1.into()));
    assert_eq!(workspace.export(), before);
    assert_eq!(workspace.synced(&[])["documents"]["changed"], 1);
}

#[test]
fn status_says_what_is_there() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let (code, out, _) = workspace.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(code, 0);
    assert_eq!((&status["mode"], &status["sources"][0]["documents"]), (&"lexical".into(), &3.into()));
    assert_eq!(status["sources"][0]["runs"][0]["exit_code"], 0);
    let (_, text, _) = workspace.run(&["status"]);
    assert!(
        text.contains("docs") && !text.contains('\u{1b}'),
        "no colours where there is no terminal: {text}"
    );
}

#[test]
fn a_source_is_named_like_its_folder() {
    let workspace = Workspace::new(&[("a.md", "# A\n\nText.\n")]);
    let odd = workspace.root().join("My Docs (v2)");
    std::fs::rename(workspace.docs(), &odd).expect("a rename");
    let (code, out, error) = workspace.run(&["sync", "My Docs (v2)", "--json"]);
    assert_eq!(code, 0, "{error}");
    let report: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(report["sources"][0]["source"], "My-Docs--v2-");
    assert!(Path::new(&odd).is_dir());
}
