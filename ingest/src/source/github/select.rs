//! Which of the listed files are documents. Pure. What is left out silently is what the folder
//! source leaves out silently, so that a checkout gives the same documents.

use std::collections::BTreeMap;

use globset::GlobSet;
use lectern_index::document::BlobSha;

use super::listing::{Kind, Node};
use crate::source::{Entry, Problem, Snapshot};

/// The settings that decide.
pub(super) struct Rules {
    /// What counts.
    pub(super) include: GlobSet,
    /// What among it does not.
    pub(super) exclude: GlobSet,
    /// The largest file that is read.
    pub(super) max_file_bytes: u64,
}

impl Rules {
    /// Whether a file at `path` is documentation.
    pub(super) fn counts(&self, path: &str) -> bool {
        !hidden(path) && self.include.is_match(path) && !self.exclude.is_match(path)
    }

    /// Whether a link at `path` may lead to documentation: it counts itself, or may be a folder.
    pub(super) fn may_lead(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.counts(path)
            || (!hidden(path) && !name.contains('.') && !self.exclude.is_match(path))
            || (!hidden(path) && version(name))
    }
}

/// Whether a link is called like a version (`v1.2`, `3.x`), hence likely a folder.
fn version(name: &str) -> bool {
    let name = name.strip_prefix('v').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_digit())
        && name.split('.').all(|part| part == "x" || part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// What a link was found to lead to, or a file: the content of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    /// Git's name for it.
    pub(super) sha: String,
    /// Its size.
    pub(super) size: u64,
}

/// Puts the files and submodules among `nodes` into `snapshot`, and `links`: documents that are
/// found at another path.
pub(super) fn select(rules: &Rules, nodes: &[Node], links: Vec<(String, Blob)>, snapshot: &mut Snapshot) {
    let mut found: BTreeMap<&str, Blob> = BTreeMap::new();
    for node in nodes {
        match node.kind {
            Kind::File if rules.counts(&node.path) => {
                let blob = Blob { sha: node.sha.clone(), size: node.size };
                if found.insert(&node.path, blob).is_some() {
                    let reason =
                        "two files are listed under this name: their names are not UTF-8; rename them";
                    snapshot.failures.push(Problem { path: node.path.clone(), reason: reason.into() });
                }
            }
            Kind::Submodule if !hidden(&node.path) => {
                let reason = "a submodule: make its repository a source of its own".into();
                snapshot.skipped.push(Problem { path: node.path.clone(), reason });
            }
            _ => {}
        }
    }
    for (path, blob) in &links {
        if rules.counts(path) {
            found.entry(path).or_insert_with(|| blob.clone());
        }
    }
    for (path, Blob { sha, size }) in found {
        let fail = |reason: String| Problem { path: path.to_owned(), reason };
        if snapshot.failures.iter().any(|failure| failure.path == path) {
            continue;
        }
        if path.contains('\u{fffd}') {
            snapshot.failures.push(fail("the file name is not UTF-8: rename the file".into()));
        } else if size > rules.max_file_bytes {
            snapshot.failures.push(fail(format!(
                "larger than {} bytes: raise sync.max_file_bytes, or exclude it",
                rules.max_file_bytes
            )));
        } else if let Some(blob_sha) = BlobSha::parse(&sha) {
            snapshot.entries.push(Entry { path: path.to_owned(), blob_sha, bytes: size });
        } else {
            snapshot.failures.push(fail(format!(
                "GitHub names it {sha:?}, which is no SHA-1: SHA-256 repositories are not supported"
            )));
        }
    }
    snapshot.failures.sort();
    snapshot.failures.dedup();
    snapshot.skipped.sort();
    snapshot.skipped.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::folder::globs;

    fn rules() -> Rules {
        let globs = |patterns: &[&str]| {
            globs(&patterns.iter().map(|p| p.to_string()).collect::<Vec<_>>()).expect("good globs")
        };
        Rules { include: globs(&["**/*.md"]), exclude: globs(&["drafts/**"]), max_file_bytes: 100 }
    }

    fn node(path: &str, kind: Kind, size: u64) -> Node {
        Node { path: path.into(), kind, sha: "0123456789012345678901234567890123456789".into(), size }
    }

    #[test]
    fn every_listed_path_is_in_one_place() {
        let nodes = [
            node("a.md", Kind::File, 1),
            node("A.md", Kind::File, 1),
            node("文档/ü b#?.md", Kind::File, 1),
            node("big.md", Kind::File, 101),
            node("bad\u{fffd}.md", Kind::File, 1),
            node("code.rs", Kind::File, 1),
            node(".github/x.md", Kind::File, 1),
            node("drafts/x.md", Kind::File, 1),
            node("vendor", Kind::Submodule, 0),
            node("twice\u{fffd}.md", Kind::File, 1),
            node("twice\u{fffd}.md", Kind::File, 1),
        ];
        let link = ("link.md".to_owned(), Blob { sha: nodes[0].sha.clone(), size: 1 });
        let mut snapshot = Snapshot::default();
        select(&rules(), &nodes, vec![link], &mut snapshot);
        let paths: Vec<&str> = snapshot.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["A.md", "a.md", "link.md", "文档/ü b#?.md"]);
        let failed: Vec<&str> = snapshot.failures.iter().map(|failure| failure.path.as_str()).collect();
        assert_eq!(failed, ["bad\u{fffd}.md", "big.md", "twice\u{fffd}.md"]);
        assert_eq!(snapshot.skipped.len(), 1);
    }

    #[test]
    fn links_that_may_be_folders_are_followed() {
        for path in ["latest", "docs/v1.2", "3.x", "a.md"] {
            assert!(rules().may_lead(path), "{path}");
        }
        for path in [".hidden", "logo.png", "a/.b/latest"] {
            assert!(!rules().may_lead(path), "{path}");
        }
    }
}
