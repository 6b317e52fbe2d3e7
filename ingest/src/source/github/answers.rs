//! What GitHub answers, as far as it is read. Field by field as its OpenAPI description has it.

use serde::Deserialize;

/// `GET /repos/{owner}/{repo}/commits/{ref}`.
#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    /// The commit.
    pub(super) sha: String,
    /// Its page: `https://HOST/OWNER/REPO/commit/SHA`.
    pub(super) html_url: String,
    /// What git knows of it.
    pub(super) commit: GitCommit,
    /// The commits before it.
    #[serde(default)]
    pub(super) parents: Vec<Named>,
}

/// The git part of a [`Commit`].
#[derive(Debug, Deserialize)]
pub(super) struct GitCommit {
    /// Its tree.
    pub(super) tree: Named,
    /// Who committed it, and when.
    pub(super) committer: Option<Signature>,
}

/// A git object.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    /// Its name.
    pub(super) sha: String,
}

/// Who did something, and when.
#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    /// RFC 3339.
    pub(super) date: Option<String>,
}

/// `GET /repos/{owner}/{repo}/contents/{path}`, as `application/vnd.github.object+json`.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    /// `dir`, `file`, `symlink` or `submodule`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Its git object.
    pub(super) sha: String,
    /// Bytes of a file.
    #[serde(default)]
    pub(super) size: u64,
    /// Where a symlink leads.
    pub(super) target: Option<String>,
}

/// `GET /repos/{owner}/{repo}/git/trees/{tree_sha}`.
#[derive(Debug, Deserialize)]
pub(super) struct Tree {
    /// What it holds.
    pub(super) tree: Vec<TreeEntry>,
    /// Whether there is more than was listed.
    #[serde(default)]
    pub(super) truncated: bool,
}

/// One entry of a [`Tree`].
#[derive(Debug, Deserialize)]
pub(super) struct TreeEntry {
    /// Relative to the tree.
    pub(super) path: String,
    /// Git's mode: `100644`, `100755`, `120000` symlink, `160000` submodule, `040000` tree.
    pub(super) mode: String,
    /// The object.
    pub(super) sha: String,
    /// Bytes of a blob.
    #[serde(default)]
    pub(super) size: u64,
}

/// `GET /repos/{owner}/{repo}/compare/{basehead}`.
#[derive(Debug, Deserialize)]
pub(super) struct Comparison {
    /// Commits of the head that the base lacks.
    pub(super) ahead_by: u64,
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    /// What happened.
    #[serde(default)]
    pub(super) message: String,
}
