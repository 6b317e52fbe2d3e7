//! An index that a test writes by hand, and what must be found in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::chunk::{ChunkId, Hash};
use crate::document::{BlobSha, SourceName};
use crate::fingerprint::Fingerprint;
use crate::query::Terms;
use crate::search::{Filter, Found, Search};

/// Documents by path: the numbers of their chunks' texts.
pub(super) type Documents = BTreeMap<String, Vec<usize>>;

/// An index, and the model it is held against.
pub(super) struct Library {
    _folder: TempDir,
    pub(super) path: PathBuf,
    pub(super) db: SqliteConnection,
    /// The vector of each text.
    pub(super) vectors: Vec<Vec<f32>>,
    pub(super) build: i64,
    pub(super) sources: BTreeMap<String, (i64, Documents)>,
}

impl Library {
    /// An empty index with one build; text `n` has the vector `n`.
    pub(super) async fn new(vectors: Vec<Vec<f32>>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("index.db");
        let mut db = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .expect("a new file");
        sqlx::raw_sql(include_str!("../../../../../migrations/0001_index.sql"))
            .execute(&mut db)
            .await
            .expect("the schema");
        sqlx::raw_sql("CREATE TABLE _sqlx_migrations (version); INSERT INTO _sqlx_migrations VALUES (1)")
            .execute(&mut db)
            .await
            .expect("its version");
        let mut library = Self { _folder: folder, path, db, vectors, build: 0, sources: BTreeMap::new() };
        library.serve_new_build().await;
        library
    }

    /// Serves a new, empty build of the same embedder.
    pub(super) async fn serve_new_build(&mut self) {
        let dimensions = self.vectors[0].len() as i64;
        self.build += 1;
        self.sources.clear();
        let mut tx = self.db.begin().await.expect("a transaction");
        sqlx::query("UPDATE builds SET state = 'kept'").execute(&mut *tx).await.expect("an update");
        let chunk = r#"{"max_tokens":512,"overlap_tokens":0,"tokenizer":"cl100k_base"}"#;
        sqlx::query("INSERT INTO builds VALUES (?1, 'f' || ?1, 'serving', 'test', ?2, ?3, '', '')")
            .bind(self.build)
            .bind(dimensions)
            .bind(chunk)
            .execute(&mut *tx)
            .await
            .expect("a build");
        tx.commit().await.expect("a commit");
    }

    /// Publishes the next generation of a source: documents that differ are written anew.
    pub(super) async fn publish(&mut self, source: &str, documents: Documents) {
        let (generation, before) = self.sources.get(source).cloned().unwrap_or_default();
        let generation = generation + 1;
        let mut tx = self.db.begin().await.expect("a transaction");
        for path in before.keys().filter(|path| documents.get(*path) != before.get(*path)) {
            sqlx::query("DELETE FROM documents WHERE build = ? AND source = ? AND path = ?")
                .bind(self.build)
                .bind(source)
                .bind(path)
                .execute(&mut *tx)
                .await
                .expect("a deletion");
        }
        for (path, texts) in documents.iter().filter(|(path, texts)| before.get(*path) != Some(*texts)) {
            let document: i64 = sqlx::query_scalar(
                "INSERT INTO documents (build, source, path, generation, blob_sha, entities, lines, tokens) \
                 VALUES (?, ?, ?, ?, ?, '[]', 1, 1) RETURNING document",
            )
            .bind(self.build)
            .bind(source)
            .bind(path)
            .bind(generation)
            .bind(blob(texts).as_str())
            .fetch_one(&mut *tx)
            .await
            .expect("a document");
            for (ordinal, &text) in texts.iter().enumerate() {
                let searchable = text.to_string();
                let hash = Hash::of(searchable.as_bytes());
                sqlx::query(
                    "INSERT INTO chunks VALUES (NULL, ?, ?, ?, 0, 0, 1, 1, '[]', NULL, 1, '', ?, ?, ?)",
                )
                .bind(document)
                .bind(ordinal as i64)
                .bind(id(self.build, source, path, texts, ordinal).as_bytes().to_vec())
                .bind(&searchable)
                .bind(hash.as_bytes())
                .bind(hash.as_bytes())
                .execute(&mut *tx)
                .await
                .expect("a chunk");
                let vector: Vec<u8> = self.vectors[text].iter().flat_map(|x| x.to_le_bytes()).collect();
                sqlx::query(
                    "INSERT OR IGNORE INTO vectors (embedder, text_hash, vector) VALUES ('test', ?, ?)",
                )
                .bind(hash.as_bytes())
                .bind(vector)
                .execute(&mut *tx)
                .await
                .expect("a vector");
            }
        }
        sqlx::query(
            "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, NULL, NULL, NULL, ?, NULL, '', '', NULL, 0, 0)",
        )
        .bind(self.build)
        .bind(source)
        .bind(generation)
        .bind(version(source))
        .execute(&mut *tx)
        .await
        .expect("a head");
        tx.commit().await.expect("a commit");
        self.sources.insert(source.to_owned(), (generation, documents));
    }

    /// Deletes a source from the build that is served.
    pub(super) async fn prune(&mut self, source: &str) {
        let mut tx = self.db.begin().await.expect("a transaction");
        for table in ["documents", "heads"] {
            let delete = format!("DELETE FROM {table} WHERE build = ? AND source = ?");
            sqlx::query(sqlx::AssertSqlSafe(delete))
                .bind(self.build)
                .bind(source)
                .execute(&mut *tx)
                .await
                .expect("a deletion");
        }
        let unused = "DELETE FROM vectors WHERE text_hash NOT IN (SELECT text_hash FROM chunks)";
        sqlx::query(unused).execute(&mut *tx).await.expect("a deletion");
        tx.commit().await.expect("a commit");
        self.sources.remove(source);
    }

    /// What exact search finds: score and id.
    pub(super) fn expected(&self, search: &Search) -> Vec<(f32, ChunkId)> {
        let query = search.vector.as_ref().expect("a vector");
        let Filter { source, path_prefix, version: wanted } = &search.filter;
        let mut found = Vec::new();
        for (name, (_, documents)) in &self.sources {
            let passes = source.as_ref().is_none_or(|source| source.as_str() == name)
                && wanted.as_ref().is_none_or(|wanted| wanted == version(name));
            for (path, texts) in documents
                .iter()
                .filter(|(path, _)| passes && path.starts_with(path_prefix.as_deref().unwrap_or_default()))
            {
                for (ordinal, &text) in texts.iter().enumerate() {
                    let products = self.vectors[text].iter().zip(query);
                    let score: f64 = products.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                    found.push((score as f32, id(self.build, name, path, texts, ordinal)));
                }
            }
        }
        found.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
        found.truncate(search.candidates);
        found
    }
}

fn id(build: i64, source: &str, path: &str, texts: &[usize], ordinal: usize) -> ChunkId {
    let source = SourceName::parse(source).expect("a name");
    let fingerprint = Fingerprint::from_stored(format!("f{build}"));
    ChunkId::derive(&source, path, &blob(texts), &fingerprint, ordinal as u32)
}

fn blob(texts: &[usize]) -> BlobSha {
    BlobSha::of(format!("{texts:?}").as_bytes())
}

/// Each source has a version of its own.
pub(super) fn version(source: &str) -> &str {
    if source == "a" { "v1" } else { "v2" }
}

pub(super) fn search(vector: Vec<f32>, filter: Filter, candidates: usize) -> Search {
    Search { terms: Terms::parse(""), vector: Some(vector), filter, candidates }
}

pub(super) fn dense(found: &Found) -> Vec<(f32, ChunkId)> {
    found.dense.iter().map(|candidate| (candidate.score, candidate.chunk.id)).collect()
}
