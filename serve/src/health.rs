//! Whether this server can answer: for load balancers, containers and people.

use chrono::{SecondsFormat, Utc};
use lectern_index::search::ReadError;
use serde::Serialize;

use crate::render;
use crate::search::Searcher;

/// What `/health` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `ok`, or `unavailable` while the index cannot be read.
    pub status: &'static str,
    /// `ready`, `missing` (nothing was published yet, or it is gone), `incompatible` or `unreadable`.
    pub index: &'static str,
    /// Now.
    pub timestamp: String,
    /// Version of this server.
    pub version: &'static str,
    /// `lexical` or `hybrid`; `None` while the index cannot be read.
    pub mode: Option<&'static str>,
    /// Why answers are worse than they could be.
    pub degraded: Option<String>,
    /// What is served of each source.
    pub sources: Vec<SourceHealth>,
}

/// What is served of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceHealth {
    /// Its name.
    pub source: String,
    /// Its published generation.
    pub generation: u64,
    /// The commit of it.
    pub commit: Option<String>,
    /// When that was published.
    pub indexed_at: String,
}

impl Health {
    /// Whether calls can be answered.
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// Reads the index to find out. Open to everybody, so it does not say where the index is.
pub async fn check(searcher: &Searcher) -> Health {
    let mut health = Health {
        status: "unavailable",
        index: "unreadable",
        timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        version: env!("CARGO_PKG_VERSION"),
        mode: None,
        degraded: None,
        sources: Vec::new(),
    };
    match searcher.status().await {
        Ok(answer) => {
            let status = answer.structured;
            health.status = "ok";
            health.index = "ready";
            health.mode = Some(render::mode(status.mode));
            health.degraded = status.degraded;
            let source = |source: crate::answer::SourceStatus| SourceHealth {
                source: source.source,
                generation: source.generation,
                commit: source.commit,
                indexed_at: source.indexed_at,
            };
            health.sources = status.sources.into_iter().map(source).collect();
        }
        Err(error) => {
            tracing::warn!(%error, "the index cannot be read");
            if let crate::arguments::CallError::Index(error) = error {
                health.index = match error {
                    ReadError::Missing { .. } => "missing",
                    ReadError::Schema { .. } => "incompatible",
                    ReadError::Unreadable { .. } => "unreadable",
                };
            }
        }
    }
    health
}
