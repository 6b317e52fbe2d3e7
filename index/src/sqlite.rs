//! Reads the embedded index: one SQLite file in WAL mode that `lectern-ingest` writes.
//!
//! The file is opened read-only and every call runs in one read transaction, so it sees one
//! published state however long it takes. A file that was replaced (restored, made anew) is noticed
//! by its inode and opened again; one that does not exist yet is looked for at every call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, Transaction};
use tokio::sync::RwLock;

use crate::document::{Document, SourceName};
use crate::fingerprint::{EmbedderId, Fingerprint};
use crate::made_by;
use crate::search::{Candidate, Filter, Found, ReadError, Search, SearchIndex, Status, StoredDocument};

mod advice;
mod dense;
mod rows;

pub use advice::with_advice;
use dense::Snapshot;
pub(crate) use rows::chunk_id;
use rows::stored_chunk;
pub use rows::{chunk, document, read_document, read_head, read_heads, vector};

/// The newest migration this program knows: a file of another schema is refused with advice.
pub const SCHEMA: i64 = 1;

/// How much a term in the title, the headings or the body counts for BM25.
const WEIGHTS: (f64, f64, f64) = (2.0, 2.0, 1.0);

/// The embedded index, opened for reading.
pub struct SqliteIndex {
    path: PathBuf,
    /// The build that is read; the one that is served if not given.
    build: Option<Fingerprint>,
    open: RwLock<Option<(FileId, SqlitePool)>>,
    snapshot: Snapshot,
}

/// Device and inode: changes when a file is replaced.
type FileId = (u64, u64);

/// One published state, read in one transaction.
struct Reading {
    db: Transaction<'static, Sqlite>,
    file: FileId,
    build: Build,
}

/// The build that is served, found at the beginning of each call.
struct Build {
    number: i64,
    since: String,
    dimensions: Option<usize>,
    status: Status,
}

impl SqliteIndex {
    /// An index at `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, build: None, open: RwLock::new(None), snapshot: Snapshot::default() }
    }

    /// One build of the index at `path`, whether it is served or not.
    pub fn of_build(path: PathBuf, fingerprint: Fingerprint) -> Self {
        Self { build: Some(fingerprint), ..Self::new(path) }
    }

    async fn read(&self) -> Result<Reading, ReadError> {
        let (file, pool) = self.pool().await?;
        let mut db = pool.begin().await.map_err(|error| self.unreadable(error))?;
        // At every call: a newer ingest may bring the schema up to date below a running server.
        self.check_schema(&mut db).await?;
        let build = self.read_build(&mut db).await.map_err(|error| self.unreadable(error))?;
        // A file in which the first sync has published nothing yet holds no index.
        let build = build.ok_or_else(|| self.missing())?;
        Ok(Reading { db, file, build })
    }

    async fn pool(&self) -> Result<(FileId, SqlitePool), ReadError> {
        let id = file_id(&self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.missing(),
            _ => self.unreadable(error),
        })?;
        if let Some((known, pool)) = &*self.open.read().await
            && *known == id
        {
            return Ok((id, pool.clone()));
        }
        let mut open = self.open.write().await;
        if let Some((known, pool)) = &*open
            && *known == id
        {
            return Ok((id, pool.clone()));
        }
        let pool = connect(&self.path).await.map_err(|error| self.unreadable(error))?;
        let mut db = pool.acquire().await.map_err(|error| self.unreadable(error))?;
        self.check_schema(&mut db).await?;
        drop(db);
        // The old pool, of a file that is no more, closes when its last reader has finished.
        *open = Some((id, pool.clone()));
        Ok((id, pool))
    }

    async fn check_schema(&self, db: &mut SqliteConnection) -> Result<(), ReadError> {
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *db).await;
        match found.map(Option::unwrap_or_default) {
            Ok(SCHEMA) => Ok(()),
            Ok(found) => Err(ReadError::Schema {
                location: self.location(),
                found,
                expected: SCHEMA,
                advice: if found > SCHEMA {
                    made_by::advice(db, "lectern-serve").await
                } else {
                    format!("run lectern-ingest {} once, it brings the index up to date", made_by::VERSION)
                },
            }),
            // A file that ingest has created but not yet migrated, or that is no index at all.
            Err(sqlx::Error::Database(error)) if error.message().contains("no such table") => {
                Err(self.missing())
            }
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn missing(&self) -> ReadError {
        ReadError::Missing { location: self.location() }
    }

    fn unreadable(&self, reason: impl std::fmt::Display) -> ReadError {
        let reason = with_advice(&reason.to_string(), false);
        ReadError::Unreadable { location: self.location(), reason }
    }

    async fn read_build(&self, db: &mut SqliteConnection) -> Result<Option<Build>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT build, fingerprint, embedder, dimensions, chunk, switched_at FROM builds \
             WHERE CASE WHEN ?1 IS NULL THEN state = 'serving' ELSE fingerprint = ?1 END",
        )
        .bind(self.build.as_ref().map(Fingerprint::as_str))
        .fetch_optional(&mut *db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let number: i64 = row.try_get("build")?;
        let heads = read_heads(&mut *db, number).await?;
        let status = Status {
            fingerprint: Fingerprint::from_stored(row.try_get::<String, _>("fingerprint")?),
            embedder: row.try_get::<Option<String>, _>("embedder")?.map(EmbedderId::from_stored),
            dimensions: row.try_get("dimensions")?,
            chunk: serde_json::from_str(row.try_get("chunk")?)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
            heads,
        };
        let dimensions = status.dimensions.map(|n| n as usize);
        Ok(Some(Build { number, since: row.try_get("switched_at")?, dimensions, status }))
    }
}

#[async_trait]
impl SearchIndex for SqliteIndex {
    async fn status(&self) -> Result<Status, ReadError> {
        Ok(self.read().await?.build.status)
    }

    async fn search(&self, search: &Search) -> Result<Found, ReadError> {
        let (mut reading, dense) = match &search.vector {
            Some(vector) => self.dense(vector, search).await?,
            None => (self.read().await?, Vec::new()),
        };
        let Reading { db, build, .. } = &mut reading;
        let lexical = if search.terms.is_empty() {
            Vec::new()
        } else {
            bm25(db, build.number, search).await.map_err(|error| self.unreadable(error))?
        };
        Ok(Found { lexical, dense, status: reading.build.status })
    }

    async fn prepare(&self) -> Result<(), ReadError> {
        let reading = self.read().await?;
        self.with_vectors(reading).await.map(drop)
    }

    async fn document(&self, source: &SourceName, path: &str) -> Result<Option<StoredDocument>, ReadError> {
        let Reading { mut db, build, .. } = self.read().await?;
        let Some(head) = build.status.heads.into_iter().find(|head| head.source == *source) else {
            return Ok(None);
        };
        read_document(&mut db, build.number, head, path).await.map_err(|error| self.unreadable(error))
    }

    async fn vectors(&self, source: &SourceName, path: &str) -> Result<Vec<Option<Vec<f32>>>, ReadError> {
        let Reading { mut db, build, .. } = self.read().await?;
        let Some(embedder) = &build.status.embedder else { return Ok(Vec::new()) };
        let stored: Vec<Option<Vec<u8>>> = sqlx::query_scalar(
            "SELECT v.vector FROM chunks c JOIN documents d USING (document) JOIN heads h USING (build, source) \
             LEFT JOIN vectors v ON v.embedder = ? AND v.text_hash = c.text_hash \
             WHERE d.build = ? AND d.source = ? AND d.path = ? AND d.generation <= h.generation ORDER BY c.ordinal",
        )
        .bind(embedder.as_str())
        .bind(build.number)
        .bind(source.as_str())
        .bind(path)
        .fetch_all(&mut *db)
        .await
        .map_err(|error| self.unreadable(error))?;
        Ok(stored.into_iter().map(|bytes| bytes.as_deref().map(vector)).collect())
    }

    async fn documents(
        &self,
        filter: &Filter,
        after: Option<&(SourceName, String)>,
        limit: usize,
    ) -> Result<(Vec<Document>, Status), ReadError> {
        let Reading { mut db, build, .. } = self.read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT d.* FROM documents d JOIN heads h ON h.build = d.build AND h.source = d.source \
             WHERE d.generation <= h.generation AND d.build = ",
        );
        query.push_bind(build.number);
        push_filter(&mut query, filter);
        if let Some((source, path)) = after {
            query.push(" AND (d.source, d.path) > (").push_bind(source.as_str()).push(", ");
            query.push_bind(path).push(")");
        }
        query.push(" ORDER BY d.source, d.path LIMIT ").push_bind(limit as i64);
        let rows = query.build().fetch_all(&mut *db).await.map_err(|error| self.unreadable(error))?;
        let documents = rows.iter().map(document).collect::<Result<_, _>>();
        Ok((documents.map_err(|error| self.unreadable(error))?, build.status))
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("query_only", "on")
        // Who only reads may have no folder to write temporary files to.
        .pragma("temp_store", "memory");
    SqlitePoolOptions::new().max_connections(8).connect_with(options).await
}

#[cfg(unix)]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    std::fs::metadata(path).map(|_| (0, 0))
}

/// The best chunks by BM25. Rows are chosen by id first, so that texts are read for these alone.
async fn bm25(db: &mut SqliteConnection, build: i64, search: &Search) -> Result<Vec<Candidate>, sqlx::Error> {
    let (title, headings, body) = WEIGHTS;
    // Terms consist of letters and digits, so quoting makes each a legal FTS5 string.
    let matched =
        search.terms.as_slice().iter().map(|term| format!("\"{term}\"")).collect::<Vec<_>>().join(" OR ");
    let mut query = QueryBuilder::<Sqlite>::new(format!(
        "SELECT c.*, d.source, d.path, d.title, best.score FROM (\
           SELECT c.chunk, -bm25(fts_{build}, {title:?}, {headings:?}, {body:?}) AS score FROM fts_{build} \
           JOIN chunks c ON c.chunk = fts_{build}.rowid JOIN documents d ON d.document = c.document \
           JOIN heads h ON h.build = d.build AND h.source = d.source \
           WHERE fts_{build} MATCH "
    ));
    query.push_bind(matched).push(" AND d.generation <= h.generation");
    push_filter(&mut query, &search.filter);
    query.push(" ORDER BY score DESC, c.id LIMIT ").push_bind(search.candidates as i64);
    query.push(
        ") best JOIN chunks c ON c.chunk = best.chunk JOIN documents d ON d.document = c.document \
         ORDER BY best.score DESC, c.id",
    );
    let rows = query.build().fetch_all(db).await?;
    rows.iter()
        .map(|row| Ok(Candidate { score: row.try_get::<f64, _>("score")? as f32, chunk: stored_chunk(row)? }))
        .collect()
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    if let Some(source) = &filter.source {
        query.push(" AND d.source = ").push_bind(source.as_str().to_owned());
    }
    if let Some(prefix) = &filter.path_prefix {
        // Not LIKE, which ignores case and knows wildcards.
        query.push(" AND substr(d.path, 1, ").push_bind(prefix.chars().count() as i64);
        query.push(") = ").push_bind(prefix.clone());
    }
    if let Some(version) = &filter.version {
        query.push(" AND h.version = ").push_bind(version.clone());
    }
}
