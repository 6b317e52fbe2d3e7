//! What models made before, by what decides it: vectors by embedder id and text hash, summaries by
//! model and content.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use lectern_index::chunk::Hash;
use lectern_index::document::BlobSha;
use lectern_index::fingerprint::EmbedderId;
use lectern_index::sqlite::vector;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use crate::store::WriteError;

/// Values bound in one statement: SQLite takes at most 32,766.
const ROWS: usize = 5_000;

/// The vector cache of an index, a table in its SQLite file.
#[derive(Clone)]
pub struct Cache {
    pool: SqlitePool,
    path: PathBuf,
}

impl Cache {
    /// The cache in the index at `path`, which `pool` has open.
    pub fn new(pool: SqlitePool, path: &Path) -> Self {
        Self { pool, path: path.to_owned() }
    }

    /// Those of `hashes` that have no vector.
    pub async fn missing(&self, embedder: &EmbedderId, hashes: &[Hash]) -> Result<HashSet<Hash>, WriteError> {
        let mut missing: HashSet<Hash> = hashes.iter().copied().collect();
        for part in hashes.chunks(ROWS) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT text_hash FROM vectors WHERE embedder = ");
            query.push_bind(embedder.as_str()).push(" AND text_hash IN (");
            let mut list = query.separated(", ");
            for hash in part {
                list.push_bind(hash.as_bytes().to_vec());
            }
            query.push(")");
            let known: Vec<Vec<u8>> =
                query.build_query_scalar().fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
            for hash in known.iter().filter_map(|hash| Hash::from_bytes(hash)) {
                missing.remove(&hash);
            }
        }
        Ok(missing)
    }

    /// The vectors of those of `hashes` that have one.
    pub async fn get(
        &self,
        embedder: &EmbedderId,
        hashes: &[Hash],
    ) -> Result<HashMap<Hash, Vec<f32>>, WriteError> {
        let mut found = HashMap::new();
        for hash in hashes {
            let bytes: Option<Vec<u8>> =
                sqlx::query_scalar("SELECT vector FROM vectors WHERE embedder = ? AND text_hash = ?")
                    .bind(embedder.as_str())
                    .bind(hash.as_bytes().to_vec())
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(|error| self.error(&error))?;
            if let Some(bytes) = bytes {
                found.insert(*hash, vector(&bytes));
            }
        }
        Ok(found)
    }

    /// Keeps vectors, durably when it returns.
    pub async fn keep(
        &self,
        embedder: &EmbedderId,
        vectors: Vec<(Hash, Vec<f32>)>,
    ) -> Result<(), WriteError> {
        if vectors.is_empty() {
            return Ok(());
        }
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO vectors (embedder, text_hash, vector) ");
        query.push_values(vectors, |mut row, (hash, vector)| {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            row.push_bind(embedder.as_str()).push_bind(hash.as_bytes().to_vec()).push_bind(bytes);
        });
        query.build().execute(&self.pool).await.map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// The summaries of contents; `None` for one that the model would not summarise.
    pub async fn summaries(
        &self,
        model: &str,
        shas: impl Iterator<Item = &BlobSha>,
    ) -> Result<HashMap<BlobSha, Option<String>>, WriteError> {
        let mut known = HashMap::new();
        for sha in shas {
            let found: Option<Option<String>> =
                sqlx::query_scalar("SELECT summary FROM summaries WHERE model = ? AND blob_sha = ?")
                    .bind(model)
                    .bind(sha.as_str())
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(|error| self.error(&error))?;
            known.extend(found.map(|summary| (sha.clone(), summary)));
        }
        Ok(known)
    }

    /// Keeps a summary, durably when it returns.
    pub async fn keep_summary(
        &self,
        model: &str,
        sha: &BlobSha,
        summary: Option<&str>,
    ) -> Result<(), WriteError> {
        sqlx::query("INSERT OR REPLACE INTO summaries (model, blob_sha, summary) VALUES (?, ?, ?)")
            .bind(model)
            .bind(sha.as_str())
            .bind(summary)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|error| self.error(&error))
    }

    fn error(&self, error: &sqlx::Error) -> WriteError {
        crate::store::sqlite::failure(&self.path, true, error)
    }
}
