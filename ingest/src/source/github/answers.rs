//! What GitHub answers, as far as it is read. Field by field as its OpenAPI description has it.

use serde::Deserialize;

/// `GET /repos/{owner}/{repo}/commits/{ref}`.
#[derive(Debug, Deserialize)]
pub struct Commit {
    /// The commit.
    pub sha: String,
    /// Its page: `https://HOST/OWNER/REPO/commit/SHA`.
    pub html_url: String,
    /// What git knows of it.
    pub commit: GitCommit,
    /// The commits before it.
    #[serde(default)]
    pub parents: Vec<Named>,
}

/// The git part of a [`Commit`].
#[derive(Debug, Deserialize)]
pub struct GitCommit {
    /// Its tree.
    pub tree: Named,
    /// Who committed it, and when.
    pub committer: Option<Signature>,
}

/// A git object.
#[derive(Debug, Deserialize)]
pub struct Named {
    /// Its name.
    pub sha: String,
}

/// Who did something, and when.
#[derive(Debug, Deserialize)]
pub struct Signature {
    /// RFC 3339.
    pub date: Option<String>,
}

/// `GET /repos/{owner}/{repo}/contents/{path}`, as `application/vnd.github.object+json`.
#[derive(Debug, Deserialize)]
pub struct Content {
    /// `dir`, `file`, `symlink` or `submodule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its git object.
    pub sha: String,
    /// Bytes of a file.
    #[serde(default)]
    pub size: u64,
    /// Where a symlink leads.
    pub target: Option<String>,
}

/// `GET /repos/{owner}/{repo}/git/trees/{tree_sha}`.
#[derive(Debug, Deserialize)]
pub struct Tree {
    /// What it holds.
    pub tree: Vec<TreeEntry>,
    /// Whether there is more than was listed.
    #[serde(default)]
    pub truncated: bool,
}

/// One entry of a [`Tree`].
#[derive(Debug, Deserialize)]
pub struct TreeEntry {
    /// Relative to the tree.
    pub path: String,
    /// Git's mode: `100644`, `100755`, `120000` symlink, `160000` submodule, `040000` tree.
    pub mode: String,
    /// The object.
    pub sha: String,
    /// Bytes of a blob.
    #[serde(default)]
    pub size: u64,
}

/// `GET /repos/{owner}/{repo}/compare/{basehead}`.
#[derive(Debug, Deserialize)]
pub struct Comparison {
    /// Commits of the head that the base lacks.
    pub ahead_by: u64,
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    /// What happened.
    #[serde(default)]
    pub message: String,
}
