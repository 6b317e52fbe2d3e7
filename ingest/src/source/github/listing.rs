//! From a ref to a list of files: one commit, one tree, and what is in it.

use super::answers::{Commit, Comparison, Content, Tree};
use super::client::{Client, Refusal};
use super::location::Location;
use crate::source::Problem;

const JSON: &str = "application/vnd.github+json";
/// Gives a folder as one object with its SHA, not as the array of what it holds.
const OBJECT: &str = "application/vnd.github.object+json";
/// Gives a file as it is, not as base64 in JSON.
const RAW: &str = "application/vnd.github.raw+json";

/// Symlinks followed on the way to one place, as on Linux.
pub(super) const MAX_HOPS: usize = 40;

/// Files listed at most. More would fill the memory of a small machine.
const MAX_NODES: usize = 1_000_000;

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Relative to the listed folder.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Its git object.
    pub(super) sha: String,
    /// Bytes of a file.
    pub(super) size: u64,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file.
    File,
    /// A symlink.
    Link,
    /// A commit of another repository.
    Submodule,
    /// A folder.
    Folder,
}

/// A repository that is asked for things.
pub(super) struct Repo<'a> {
    /// The conversation.
    pub(super) client: &'a Client,
    /// Which repository.
    pub(super) location: &'a Location,
}

impl Repo<'_> {
    /// The commit that the ref names now: one request, whatever kind of ref it is.
    pub(super) async fn commit(&self) -> Result<Commit, Refusal> {
        let reference = self.location.reference.as_deref().unwrap_or("HEAD");
        // Page 1 of 1 keeps the list of changed files, with their patches, out of the answer.
        self.client.json(&self.route(&format!("commits/{}?per_page=1", encode(reference))), JSON).await
    }

    /// What lies at a path, whatever its depth, in one request.
    pub(super) async fn content(&self, commit: &str, path: &str) -> Result<Content, Refusal> {
        self.client.json(&self.route(&format!("contents/{}?ref={commit}", encode(path))), OBJECT).await
    }

    /// The content of a blob, of at most `max` bytes.
    pub(super) async fn blob(&self, sha: &str, max: u64) -> Result<Vec<u8>, Refusal> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        self.client.bytes(&self.route(&format!("git/blobs/{sha}")), RAW, max).await
    }

    /// How many commits `new` has that `old` lacks; `None` where GitHub does not know `old` any more.
    pub(super) async fn ahead(&self, old: &str, new: &str) -> Option<u64> {
        // From the second page on there is no list of files.
        let route = self.route(&format!("compare/{old}...{new}?per_page=1&page=2"));
        self.client.json::<Comparison>(&route, JSON).await.ok().map(|comparison| comparison.ahead_by)
    }

    /// Everything below a tree. Where GitHub cuts the list, the folders are listed one by one; a folder
    /// that is cut even so is a failure, so that nothing below it is taken for removed.
    pub(super) async fn tree(&self, sha: &str) -> Result<(Vec<Node>, Vec<Problem>), Refusal> {
        let mut nodes = Vec::new();
        let mut failures = Vec::new();
        let mut folders = vec![(String::new(), sha.to_owned())];
        while let Some((folder, sha)) = folders.pop() {
            let whole = self.route(&format!("git/trees/{sha}?recursive=1"));
            let mut tree: Tree = self.client.json(&whole, JSON).await?;
            let cut = tree.truncated;
            if cut {
                tree = self.client.json(&self.route(&format!("git/trees/{sha}")), JSON).await?;
                if tree.truncated {
                    let reason = "GitHub lists only a part of this folder, it holds too much: divide it, or narrow `path`";
                    failures.push(Problem { path: folder.clone(), reason: reason.into() });
                }
            }
            for entry in tree.tree {
                let path = if folder.is_empty() { entry.path } else { format!("{folder}/{}", entry.path) };
                let kind = match entry.mode.as_str() {
                    "120000" => Kind::Link,
                    "160000" => Kind::Submodule,
                    "040000" | "40000" => Kind::Folder,
                    _ => Kind::File,
                };
                if cut && kind == Kind::Folder {
                    folders.push((path.clone(), entry.sha.clone()));
                }
                nodes.push(Node { path, kind, sha: entry.sha, size: entry.size });
            }
            if nodes.len() > MAX_NODES {
                return Err(Refusal::Unreachable(format!(
                    "more than {MAX_NODES} files are listed: narrow `path`"
                )));
            }
        }
        Ok((nodes, failures))
    }

    /// The address of something of this repository.
    pub(super) fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}/{rest}", self.location.owner, self.location.repo)
    }
}

/// Puts a path after a folder and takes `.` and `..` out; `None` if it leads out of the repository.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder that holds `path`; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn encode(path: &str) -> String {
    lectern_index::citation::encode_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_inside_the_repository_only() {
        assert_eq!(join("a/b", "../c.md").as_deref(), Some("a/c.md"));
        assert_eq!(join("", "./x//y").as_deref(), Some("x/y"));
        assert_eq!(join("a", "..").as_deref(), Some(""));
        assert_eq!(join("a", "../../etc"), None);
        assert_eq!(join("a", "/etc/passwd"), None);
        assert_eq!((parent("a/b/c"), parent("a")), ("a/b", ""));
    }
}
