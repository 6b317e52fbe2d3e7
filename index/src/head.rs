//! The head: the one record a source has per generation. What is equal for the whole source lives
//! here, not in every chunk, and is joined when read.

use serde::{Deserialize, Serialize};

use crate::document::SourceName;

/// Where a source's files can be read on the web at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// `https://HOST/OWNER/NAME`.
    pub url: String,
    /// The source's folder within the repository, without slashes at its ends; empty for the root.
    pub path: String,
}

/// A source as it was last published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The source.
    pub source: SourceName,
    /// Number of the published state; it only grows.
    pub generation: u64,
    /// The commit that was published; `None` for folders.
    pub commit: Option<String>,
    /// The repository, for permalinks; `None` for folders.
    pub repository: Option<Repository>,
    /// The version of the product that is documented, from the configuration.
    pub version: Option<String>,
    /// Template of a document's published page (see [`crate::citation`]).
    pub url_template: Option<String>,
    /// When this generation was published (RFC 3339, UTC).
    pub indexed_at: String,
    /// When the source was last seen to be, or made, up to date (RFC 3339, UTC).
    pub checked_at: String,
    /// Commits between the published commit and the newest one seen; `None` for folders.
    pub commits_behind: Option<u64>,
    /// Documents in this generation.
    pub documents: u64,
    /// Chunks in this generation.
    pub chunks: u64,
}
