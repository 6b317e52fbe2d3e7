//! A workspace whose chunks are embedded by the miniature.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use lectern_index::chunk::Hash;
use lectern_index::document::Document;
use lectern_index::open::Location;
use lectern_index::qdrant::{self, QdrantIndex};
use lectern_index::search::{Filter, SearchIndex};
use serde_json::Value;

use super::miniature::KEY;
use super::{Miniature, vector};
use crate::ingest::workspace::Workspace;
use crate::programs;

/// The model that is configured, and the length of its vectors.
pub const MODEL: &str = "text-embedding-3-small";
pub const DIMENSIONS: u32 = 64;

/// Documents, an index of them, and the miniature that embeds them.
pub struct Hybrid {
    pub workspace: Workspace,
    pub openai: Miniature,
}

/// A chunk's place: source, path, ordinal.
type Place = (String, String, u64);

impl Hybrid {
    /// Embeds the documents of a workspace.
    pub fn of(workspace: Workspace) -> Self {
        Self { workspace, openai: Miniature::start() }
    }

    /// With `n` documents, no two alike.
    pub fn with_documents(n: usize) -> Self {
        Self::of(Workspace::with_documents(n))
    }

    /// What makes a program use the miniature. Settings that its arguments name already count more.
    pub fn configure(&self, command: &mut Command) {
        command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", self.openai.url());
        command.env("LECTERN_EMBEDDING_PROVIDER", "openai");
        command.env("LECTERN_EMBEDDING_DIMENSIONS", DIMENSIONS.to_string());
    }

    /// A command of `lectern-ingest` on the index; its own settings count.
    pub fn ingest(&self, arguments: &[&str]) -> Command {
        let mut command = programs::command("lectern-ingest");
        command.args(arguments);
        self.configure(&mut command);
        command.arg("--index").arg(self.workspace.index());
        command.current_dir(self.workspace.root());
        command
    }

    /// Exit code, stdout and stderr of a command on the index.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        programs::text(programs::run(&mut self.ingest(arguments)))
    }

    /// Syncs and gives exit code and report.
    pub fn sync(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["sync", "--json"];
        all.extend(arguments);
        if arguments.first().is_none_or(|first| first.starts_with('-')) {
            all.push("docs");
        }
        let (code, out, error) = self.run(&all);
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("not one JSON object: {out:?}\n{error}")))
    }

    /// Syncs, which must go well, and gives the (first) source's report.
    pub fn synced(&self, arguments: &[&str]) -> Value {
        let (code, report) = self.sync(arguments);
        assert_eq!(code, 0, "{report}");
        report["sources"][0].clone()
    }

    /// Everything that is published, a chunk a line, with its vectors.
    pub fn export(&self) -> String {
        let (code, out, error) = self.run(&["export", "--vectors"]);
        assert_eq!(code, 0, "{error}");
        out
    }

    /// `verify` finds nothing.
    pub fn verified(&self) {
        let (code, out, error) = self.run(&["verify"]);
        assert_eq!(code, 0, "{out}{error}");
    }

    /// The index, to be read in this process.
    fn index(&self) -> Arc<dyn SearchIndex> {
        match Location::parse(self.workspace.index().to_str().unwrap()).unwrap() {
            Location::Qdrant { url, collection } => {
                let key = qdrant::key(|_| std::env::var("LECTERN_TEST_QDRANT_API_KEY").ok()).unwrap();
                Arc::new(QdrantIndex::new(&url, &collection, key.as_ref()).unwrap())
            }
            file => file.open().unwrap(),
        }
    }

    /// The text of every published chunk that is embedded.
    pub fn texts(&self) -> BTreeMap<Place, String> {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let index = self.index();
            let mut texts = BTreeMap::new();
            for document in index.documents(&Filter::default(), None, 100_000).await.unwrap().0 {
                let stored = index.document(&document.source, &document.path).await.unwrap().unwrap();
                for chunk in stored.chunks {
                    let place = (document.source.to_string(), document.path.clone(), chunk.ordinal.into());
                    texts.insert(place, chunk.searchable());
                }
            }
            texts
        })
    }

    /// Every published chunk has the vector that the miniature makes of its text.
    pub fn vectors_are_right(&self) {
        let texts = self.texts();
        let mut checked = 0;
        for line in self.export().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let place = (text("source"), text("path"), line["ordinal"].as_u64().unwrap());
            checked += 1;
            if texts[&place].trim().is_empty() {
                assert!(line["vector"].is_null(), "{place:?} has nothing to embed");
                continue;
            }
            let right = vector(MODEL, DIMENSIONS, &texts[&place]);
            let numbers = line["vector"].as_array().unwrap_or_else(|| panic!("{place:?} has no vector"));
            assert_eq!(numbers.len(), right.len(), "{place:?}");
            for (number, right) in numbers.iter().zip(right) {
                let number = number.as_f64().unwrap();
                assert!((number - f64::from(right)).abs() < 1e-6, "{place:?}: {number}, not {right}");
            }
        }
        assert_eq!(checked, texts.len());
    }

    /// The documents that are published.
    pub fn documents(&self) -> Vec<Document> {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(async { self.index().documents(&Filter::default(), None, 100_000).await.unwrap().0 })
    }

    /// Hashes of the texts that have a vector in the cache.
    pub fn cached(&self) -> Vec<Hash> {
        let rows: Vec<Vec<u8>> = self.query("SELECT text_hash FROM vectors");
        rows.iter().map(|bytes| Hash::from_bytes(bytes).unwrap()).collect()
    }

    /// The one column of a query on the file with the ledger.
    pub fn query<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: Send + Unpin + 'static + sqlx::Type<sqlx::Sqlite> + for<'r> sqlx::Decode<'r, sqlx::Sqlite>,
    {
        use sqlx::{ConnectOptions, Connection};
        let path = self.workspace.ledger();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
            let mut db = options.connect().await.unwrap();
            let rows = sqlx::query_scalar(sql).fetch_all(&mut db).await.unwrap();
            db.close().await.unwrap();
            rows
        })
    }
}
