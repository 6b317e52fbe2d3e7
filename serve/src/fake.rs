//! An index and an embedder that do as a test wants.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lectern_index::document::{Document, SourceName};
use lectern_index::embed::{EmbedError, Embedded, Embedder, Kind, Limits};
use lectern_index::fingerprint::{ChunkSettings, EmbedderId, Fingerprint};
use lectern_index::head::Head;
use lectern_index::search::{
    Candidate, Filter, Found, ReadError, Search, SearchIndex, Status, StoredDocument,
};
use lectern_index::tokens::Tokenizer;

use crate::passage::tests::{head, ranked};

/// An index of two passages, one found by words and one by its vector, that takes its time.
pub(crate) struct FakeIndex {
    pub(crate) embedder: Option<EmbedderId>,
    pub(crate) delay: Duration,
    pub(crate) searched: Mutex<Vec<Search>>,
}

/// The state of a lexical index of these sources.
pub(crate) fn status(heads: Vec<Head>) -> Status {
    Status {
        fingerprint: Fingerprint::from_stored("0123"),
        embedder: None,
        dimensions: None,
        chunk: ChunkSettings { max_tokens: 512, overlap_tokens: 0, tokenizer: "cl100k_base".into() },
        heads,
    }
}

impl FakeIndex {
    pub(crate) fn new(embedder: Option<&str>, delay: Duration) -> Self {
        let embedder = embedder.map(EmbedderId::from_stored);
        Self { embedder, delay, searched: Mutex::default() }
    }

    fn state(&self) -> Status {
        Status { embedder: self.embedder.clone(), ..status(vec![head("docs", true)]) }
    }
}

#[async_trait]
impl SearchIndex for FakeIndex {
    async fn status(&self) -> Result<Status, ReadError> {
        Ok(self.state())
    }

    async fn search(&self, search: &Search) -> Result<Found, ReadError> {
        tokio::time::sleep(self.delay).await;
        self.searched.lock().expect("the searches").push(search.clone());
        let candidate = |number, text| Candidate { score: 1.0, chunk: ranked("docs", number, text, 1).chunk };
        let dense = if search.vector.is_some() { vec![candidate(1, "By vector.\n")] } else { Vec::new() };
        Ok(Found { lexical: vec![candidate(0, "By words.\n")], dense, status: self.state() })
    }

    async fn document(&self, _: &SourceName, _: &str) -> Result<Option<StoredDocument>, ReadError> {
        Ok(None)
    }

    async fn vectors(&self, _: &SourceName, _: &str) -> Result<Vec<Option<Vec<f32>>>, ReadError> {
        Ok(Vec::new())
    }

    async fn documents(
        &self,
        _: &Filter,
        _: Option<&(SourceName, String)>,
        _: usize,
    ) -> Result<(Vec<Document>, Status), ReadError> {
        Ok((Vec::new(), self.state()))
    }
}

/// An embedder that gives one vector, late, or fails.
pub(crate) struct FakeEmbedder {
    pub(crate) id: EmbedderId,
    pub(crate) delay: Duration,
    pub(crate) fails: bool,
    pub(crate) asked: AtomicUsize,
}

impl FakeEmbedder {
    pub(crate) fn new(id: EmbedderId) -> Self {
        Self { id, delay: Duration::ZERO, fails: false, asked: AtomicUsize::new(0) }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Embedder for FakeEmbedder {
    fn id(&self) -> &EmbedderId {
        &self.id
    }

    fn dimensions(&self) -> u32 {
        2
    }

    fn tokenizer(&self) -> &Tokenizer {
        static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(Tokenizer::cl100k);
        &TOKENIZER
    }

    fn limits(&self) -> Limits {
        Limits { input_tokens: 100, inputs: 1, tokens: 100, requests: 1 }
    }

    fn usd_per_million_tokens(&self) -> Option<f64> {
        None
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Embedded, EmbedError> {
        assert_eq!((kind, texts.len()), (Kind::Query, 1));
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
        if self.fails {
            return Err(EmbedError::Transient { reason: "503".into(), retry_after: None });
        }
        Ok(Embedded { vectors: vec![Ok(vec![1.0, 0.0])], ..Embedded::default() })
    }
}
