//! [`Source`]: a place documents come from.

use async_trait::async_trait;
use futures::stream::BoxStream;
use lectern_index::document::{BlobSha, SourceName};
use lectern_index::head::Repository;
use serde::Serialize;

pub mod folder;
pub mod github;

/// A place documents come from: a folder, or a GitHub repository at a ref.
#[async_trait]
pub trait Source: Send + Sync {
    /// Its name.
    fn name(&self) -> &SourceName;

    /// Hash of the settings that decide what is listed: when it changes, an unchanged commit is
    /// listed again.
    fn settings(&self) -> String;

    /// What the source holds now. `known` is the commit that was published last; a source whose
    /// commit is still that one answers [`Listing::Unchanged`] without listing anything. `None` asks
    /// for a listing in any case.
    async fn list(&self, known: Option<&str>) -> Result<Listing, SourceError>;

    /// The contents of `entries`, in any order, each exactly once. An error of the stream ends it:
    /// nothing more can be had.
    fn fetch<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        entries: Vec<Entry>,
    ) -> BoxStream<'a, Result<Fetched, SourceError>>;

    /// What the last [`Source::list`] and the fetches since then asked of a service, and whether it is
    /// being waited for right now; `None` for sources that ask no service.
    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// What was asked of the service behind a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Requests sent, repeated ones and redirects included.
    pub requests: u64,
    /// Requests that the service still grants, where it says so.
    pub requests_left: Option<u64>,
    /// When it grants the full number again (RFC 3339, UTC).
    pub resets_at: Option<String>,
    /// What is waited for, and until when.
    #[serde(skip)]
    pub waiting: Option<String>,
    /// What the operator should know: the repository was renamed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Answer of [`Source::list`].
#[derive(Debug)]
pub enum Listing {
    /// Still at the known commit.
    Unchanged,
    /// What there is.
    Snapshot(Snapshot),
}

/// A source's files at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The commit everything is pinned to; `None` for folders.
    pub commit: Option<String>,
    /// Where files can be read on the web; `None` for folders.
    pub repository: Option<Repository>,
    /// Commits between the known commit and this one, where that is known.
    pub commits_behind: Option<u64>,
    /// When everything that changed since the known commit was committed (RFC 3339), where that is
    /// known without asking for each document.
    pub updated_at: Option<String>,
    /// Files that should become documents, by path, each path once.
    pub entries: Vec<Entry>,
    /// Files that are left out on purpose.
    pub skipped: Vec<Problem>,
    /// Files, or folders with all below them, that could not be read.
    pub failures: Vec<Problem>,
}

/// A file that should become a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the source's `path`, with `/` between the parts.
    pub path: String,
    /// Git's name for its content.
    pub blob_sha: BlobSha,
    /// Its size.
    pub bytes: u64,
}

/// A file's content, or why it could not be had.
#[derive(Debug)]
pub struct Fetched {
    /// The entry, with the SHA of this very content: a folder's file may have changed since it was
    /// listed.
    pub entry: Entry,
    /// The bytes; an error concerns this file alone.
    pub content: Result<Vec<u8>, String>,
}

/// A path and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The document's path, or that of a folder with all below it.
    pub path: String,
    /// What happened, and what to do where that is not plain.
    pub reason: String,
}

/// A source that cannot be read at all: exit code 4.
#[derive(Debug, thiserror::Error)]
#[error("source {name}: {reason}")]
pub struct SourceError {
    /// The source.
    pub name: SourceName,
    /// What happened, and what to do.
    pub reason: String,
}
