//! From an index URL to an index.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::IndexSettings;
use crate::qdrant::{self, QdrantIndex};
use crate::search::{ReadError, SearchIndex};
use crate::sqlite::SqliteIndex;

/// Where an index is, parsed from `--index` or `[index] url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One SQLite file.
    Sqlite(PathBuf),
    /// Collections in Qdrant.
    Qdrant {
        /// Scheme, host and port.
        url: String,
        /// The name that is served.
        collection: String,
    },
}

/// A URL that names no index; the message says what to change.
#[derive(Debug, thiserror::Error)]
#[error("index.url = {0:?}: {1}")]
pub struct BadLocation(String, String);

impl Location {
    /// Parses `sqlite://PATH`, a plain path, or `http(s)://HOST:PORT/COLLECTION`.
    pub fn parse(url: &str) -> Result<Self, BadLocation> {
        Self::of(&IndexSettings { url: url.into(), ..IndexSettings::default() })
    }

    /// The location that settings name: a URL, and for Qdrant the collection if it is not in that.
    pub fn of(settings: &IndexSettings) -> Result<Self, BadLocation> {
        let url = settings.url.as_str();
        // What may be a secret is not shown.
        let shown = if url.contains("://") { url.split(['?', '#']).next().unwrap_or_default() } else { url };
        let shown = if shown.contains("://") && shown.contains('@') { "…@…" } else { shown };
        let bad = |says: &str| BadLocation(shown.into(), says.into());
        let understood = "use sqlite://PATH, a path, or http://HOST:6334 for Qdrant";
        match url.split_once("://") {
            Some(("http" | "https", rest)) => {
                let (host, path) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
                let host = host.trim_end_matches('/');
                if host.is_empty() {
                    return Err(bad(understood));
                }
                if url.contains(['@', '?', '#']) {
                    return Err(bad(&format!("a URL holds no secret and no settings, set {}", qdrant::KEY)));
                }
                let collection = match (path, settings.collection.as_deref()) {
                    ("", Some(collection)) => collection,
                    (path, None) if !path.is_empty() => path,
                    ("", None) => {
                        return Err(bad("name the collection: index.collection, or /NAME behind the port"));
                    }
                    (_, Some(_)) => return Err(bad("it names a collection, and so does index.collection")),
                    (_, None) => return Err(bad(understood)),
                };
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if collection.is_empty() || !collection.chars().all(allowed) || collection.contains("__") {
                    return Err(bad(
                        "the collection's name: letters, digits, `-`, `.`, `_`, no two of the last",
                    ));
                }
                let scheme = &url[..url.len() - rest.len()];
                Ok(Self::Qdrant { url: format!("{scheme}{host}"), collection: collection.into() })
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            None if !url.is_empty() => Ok(Self::Sqlite(url.into())),
            _ => Err(bad(understood)),
        }
    }

    /// Opens the index for reading. An index that is missing or down may come (back), so that is said
    /// by each read; fails only where the URL can never be reached. Qdrant's key is taken from the
    /// environment.
    pub fn open(&self) -> Result<Arc<dyn SearchIndex>, ReadError> {
        match self {
            Self::Sqlite(path) => Ok(Arc::new(SqliteIndex::new(path.clone()))),
            Self::Qdrant { url, collection } => Ok(Arc::new(in_qdrant(url, collection)?)),
        }
    }

    /// Opens the index as [`Location::open`] does, for a program that never writes: it warns where the
    /// key of Qdrant would let it. A file is never opened for writing.
    pub fn open_read_only(&self) -> Result<Arc<dyn SearchIndex>, ReadError> {
        match self {
            Self::Sqlite(_) => self.open(),
            Self::Qdrant { url, collection } => Ok(Arc::new(in_qdrant(url, collection)?.read_only())),
        }
    }
}

fn in_qdrant(url: &str, collection: &str) -> Result<QdrantIndex, ReadError> {
    let key = qdrant::key(|name| std::env::var(name).ok())
        .map_err(|reason| ReadError::Unreadable { location: format!("{url}/{collection}"), reason })?;
    QdrantIndex::new(url, collection, key.as_ref())
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Qdrant { url, collection } => write!(f, "{url}/{collection}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_files_or_collections() {
        let parse = |url: &str| Location::parse(url).map(|location| location.to_string());
        assert_eq!(parse("a/b.db").ok().as_deref(), Some("sqlite://a/b.db"));
        for url in ["http://[::1]:6334/docs", "https://qdrant.example.com:6334/docs", "sqlite:///x.db"] {
            assert_eq!(parse(url).ok().as_deref(), Some(url));
        }
        let settings = |collection: &str| IndexSettings {
            url: "http://localhost:6334/".into(),
            collection: Some(collection.into()),
            ..IndexSettings::default()
        };
        let location = Location::of(&settings("docs")).expect("a location");
        assert_eq!(location.to_string(), "http://localhost:6334/docs");
        assert!(Location::of(&settings("a__b")).is_err());
        for bad in [
            "",
            "sqlite://",
            "ftp://x",
            "http://",
            "http://localhost:6334",
            "http://u:hunter2@x/docs",
            "grpc://u:hunter2@x/docs",
            "http://x/docs?api_key=hunter2",
            "http://x?api_key=hunter2",
        ] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
