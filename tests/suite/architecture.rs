//! ARCHITECTURE.md is true: the files and tests it names exist, and every module has its line.

use std::path::{Path, PathBuf};

use crate::programs::root;

const CRATES: [&str; 3] = ["index", "ingest", "serve"];

fn text() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All Rust files in and below a folder.
pub(crate) fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_file_it_names_exists() {
    let text = text();
    let is_path =
        |name: &&str| name.contains('/') && !name.contains([' ', '*']) && !name.starts_with("target/");
    let missing: Vec<&str> = code(&text).filter(is_path).filter(|name| !root().join(name).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what does not exist: {missing:?}");
}

#[test]
fn every_module_has_its_line() {
    let text = text();
    for member in CRATES {
        for entry in std::fs::read_dir(root().join(member).join("src")).expect("a crate") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
            let file = format!("{member}/src/{name}");
            let known = !name.ends_with(".rs") || ["lib.rs", "signal.rs"].contains(&name.as_str());
            assert!(
                known || code(&text).any(|code| code == file),
                "ARCHITECTURE.md does not say what {file} does"
            );
        }
    }
}

#[test]
fn every_invariant_has_tests_that_exist() {
    let mut files = Vec::new();
    for folder in ["index/src", "ingest/src", "serve/src", "tests/suite"] {
        rust_files(&root().join(folder), &mut files);
    }
    let code_of = |path: &PathBuf| std::fs::read_to_string(path).expect("a source file");
    let all: String = files.iter().map(code_of).collect();
    let text = text();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.trim_start_matches("| ").starts_with(|c: char| c.is_ascii_digit()))
        .filter(|line| line.starts_with("| "))
        .collect();
    assert_eq!(rows.len(), 11, "eleven invariants");
    for row in rows {
        let guards = row.rsplit('|').nth(1).expect("the last column");
        let tests: Vec<&str> = code(guards).filter(|name| name.contains('_')).collect();
        assert!(!tests.is_empty(), "nothing guards {row}");
        for test in tests {
            assert!(all.contains(&format!("fn {test}(")), "there is no test {test}");
        }
    }
}
