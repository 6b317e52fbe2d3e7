//! A corpus that changes: what its documents are at each commit.

use std::collections::BTreeMap;
use std::path::Path;

/// Documents that answer the reader's query; fewer than the 50 results a search gives.
const MARKED: usize = 40;
/// Documents that only make a sync take its time.
const FILLING: usize = 160;

pub(crate) type Tree = BTreeMap<String, String>;

/// The documents of a commit. Marked ones say which commit they are of; some come, go and move.
pub(crate) fn commit(k: u64) -> Tree {
    let mut tree = Tree::new();
    for i in 0..MARKED as u64 {
        let path = match i % 4 {
            0 => format!("stays/{i}.md"),
            1 => format!("moves/{}/{i}.md", (k + i) % 3),
            2 if (k + i).is_multiple_of(2) => format!("comes/{i}.md"),
            2 => continue,
            _ => format!("still/{i}.md"),
        };
        let version = if i % 4 == 3 { 0 } else { k };
        tree.insert(path, format!("# Paper {i}\n\nbeacon number {i} of commit-{version}-end.\n"));
    }
    for i in 0..FILLING as u64 {
        let version = if i.is_multiple_of(3) { k } else { 0 };
        let text = format!("# Filler {i}\n\n{}\n", format!("word{i} value{version} ").repeat(60));
        tree.insert(format!("filling/{i}.md"), text);
    }
    tree
}

pub(crate) fn check_out(docs: &Path, tree: &Tree) {
    if docs.exists() {
        std::fs::remove_dir_all(docs).expect("a removed folder");
    }
    for (path, text) in tree {
        let file = docs.join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a written file");
    }
}

/// The greatest commit that a text names.
pub(crate) fn commit_of(text: &str) -> u64 {
    let numbers = text.split("commit-").skip(1).filter_map(|rest| rest.split("-end").next()?.parse().ok());
    numbers.max().expect("a commit is named")
}
