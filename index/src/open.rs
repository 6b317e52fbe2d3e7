//! From an index URL to an index.

use std::path::PathBuf;
use std::sync::Arc;

use crate::search::SearchIndex;
use crate::sqlite::SqliteIndex;

/// Where an index is, parsed from `--index` or `[index] url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One SQLite file.
    Sqlite(PathBuf),
}

/// A URL that names no index.
#[derive(Debug, thiserror::Error)]
#[error("index URL {0:?} is not understood: use sqlite://PATH or a path")]
pub struct BadLocation(String);

impl Location {
    /// Parses `sqlite://PATH` or a plain path.
    pub fn parse(url: &str) -> Result<Self, BadLocation> {
        let path = match url.split_once("://") {
            Some(("sqlite", path)) => path,
            Some(_) => return Err(BadLocation(url.into())),
            None => url,
        };
        if path.is_empty() { Err(BadLocation(url.into())) } else { Ok(Self::Sqlite(path.into())) }
    }

    /// Opens the index for reading. Never fails: an index that is missing or down may come (back),
    /// so that is said by each read.
    pub fn open(&self) -> Arc<dyn SearchIndex> {
        match self {
            Self::Sqlite(path) => Arc::new(SqliteIndex::new(path.clone())),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}
