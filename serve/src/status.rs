//! `get_index_status`: what is served, and how old it is.

use lectern_index::head::Head;

use crate::answer::{Answer, SourceStatus, StatusAnswer};
use crate::arguments::CallError;
use crate::render;
use crate::search::Searcher;

impl Searcher {
    /// Answers `get_index_status`.
    pub async fn status(&self) -> Result<Answer<StatusAnswer>, CallError> {
        let status = self.index.status().await?;
        let (mode, degraded) = self.mode(&status, self.down());
        let structured = StatusAnswer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode,
            degraded,
            fingerprint: status.fingerprint.as_str().to_owned(),
            embedder: status.embedder.as_ref().map(|embedder| embedder.as_str().to_owned()),
            documents: status.heads.iter().map(|head| head.documents).sum(),
            chunks: status.heads.iter().map(|head| head.chunks).sum(),
            sources: status.heads.into_iter().map(source).collect(),
        };
        Ok(Answer { text: render::status(&structured), structured })
    }
}

fn source(head: Head) -> SourceStatus {
    SourceStatus {
        source: head.source.to_string(),
        version: head.version,
        repository: head.repository.map(|repository| repository.url),
        commit: head.commit,
        generation: head.generation,
        indexed_at: head.indexed_at,
        checked_at: head.checked_at,
        commits_behind: head.commits_behind,
        documents: head.documents,
        chunks: head.chunks,
    }
}
