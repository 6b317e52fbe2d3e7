//! Reads the embedded index: one SQLite file in WAL mode that `lectern-ingest` writes.
//!
//! The file is opened read-only and every call runs in one read transaction, so it sees one
//! published state however long it takes. A file that was replaced (restored, made anew) is noticed
//! by its inode and opened again; one that does not exist yet is looked for at every call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use tokio::sync::RwLock;

use crate::chunk::{Chunk, ChunkId};
use crate::document::{BlobSha, Document, SourceName};
use crate::fingerprint::{EmbedderId, Fingerprint};
use crate::head::{Head, Repository};
use crate::made_by;
use crate::search::{
    Candidate, Filter, Found, ReadError, Search, SearchIndex, Status, StoredChunk, StoredDocument,
};

/// The newest migration this program knows: a file of another schema is refused with advice.
pub const SCHEMA: i64 = 1;

/// How much a term in the title, the headings or the body counts for BM25.
const WEIGHTS: (f64, f64, f64) = (2.0, 2.0, 1.0);

/// The embedded index, opened for reading.
pub struct SqliteIndex {
    path: PathBuf,
    open: RwLock<Option<(FileId, SqlitePool)>>,
}

/// Device and inode: changes when a file is replaced.
type FileId = (u64, u64);

/// The build that is served, found at the beginning of each call.
struct Build {
    number: i64,
    status: Status,
}

impl SqliteIndex {
    /// An index at `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: RwLock::new(None) }
    }

    async fn begin(&self) -> Result<sqlx::Transaction<'static, Sqlite>, ReadError> {
        let pool = self.pool().await?;
        pool.begin().await.map_err(|error| self.unreadable(error))
    }

    async fn pool(&self) -> Result<SqlitePool, ReadError> {
        let id = file_id(&self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.missing(),
            _ => self.unreadable(error),
        })?;
        if let Some((known, pool)) = &*self.open.read().await
            && *known == id
        {
            return Ok(pool.clone());
        }
        let mut open = self.open.write().await;
        if let Some((known, pool)) = &*open
            && *known == id
        {
            return Ok(pool.clone());
        }
        let pool = connect(&self.path).await.map_err(|error| self.unreadable(error))?;
        self.check_schema(&pool).await?;
        // The old pool, of a file that is no more, closes when its last reader has finished.
        *open = Some((id, pool.clone()));
        Ok(pool)
    }

    async fn check_schema(&self, pool: &SqlitePool) -> Result<(), ReadError> {
        let mut db = pool.acquire().await.map_err(|error| self.unreadable(error))?;
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *db).await;
        match found.map(Option::unwrap_or_default) {
            Ok(SCHEMA) => Ok(()),
            Ok(found) => Err(ReadError::Schema {
                location: self.location(),
                found,
                expected: SCHEMA,
                advice: if found > SCHEMA {
                    made_by::advice(&mut db, "lectern-serve").await
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
        let mut reason = reason.to_string();
        // A database in WAL mode without its log can be opened only by who may make one.
        if reason.contains("readonly database") || reason.contains("unable to open") {
            reason.push_str(
                " (its -wal and -shm files are missing, as after another program had it open, or may not be \
                 read: any `lectern-ingest status` puts them back)",
            );
        }
        ReadError::Unreadable { location: self.location(), reason }
    }

    async fn build(&self, db: &mut SqliteConnection) -> Result<Build, ReadError> {
        self.read_build(db).await.map_err(|error| self.unreadable(error))
    }

    async fn read_build(&self, db: &mut SqliteConnection) -> Result<Build, sqlx::Error> {
        let row = sqlx::query("SELECT build, fingerprint, embedder FROM builds WHERE state = 'serving'")
            .fetch_optional(&mut *db)
            .await?;
        let Some(row) = row else {
            let status = Status { fingerprint: None, embedder: None, heads: Vec::new() };
            return Ok(Build { number: 0, status });
        };
        let number: i64 = row.try_get("build")?;
        let heads = read_heads(&mut *db, number).await?;
        let status = Status {
            fingerprint: Some(Fingerprint::from_stored(row.try_get::<String, _>("fingerprint")?)),
            embedder: row.try_get::<Option<String>, _>("embedder")?.map(EmbedderId::from_stored),
            heads,
        };
        Ok(Build { number, status })
    }
}

#[async_trait]
impl SearchIndex for SqliteIndex {
    async fn status(&self) -> Result<Status, ReadError> {
        let mut db = self.begin().await?;
        Ok(self.build(&mut db).await?.status)
    }

    async fn search(&self, search: &Search) -> Result<Found, ReadError> {
        let mut db = self.begin().await?;
        let build = self.build(&mut db).await?;
        let lexical = if search.terms.is_empty() || build.status.fingerprint.is_none() {
            Vec::new()
        } else {
            bm25(&mut db, build.number, search).await.map_err(|error| self.unreadable(error))?
        };
        Ok(Found { lexical, dense: Vec::new(), status: build.status })
    }

    async fn document(&self, source: &SourceName, path: &str) -> Result<Option<StoredDocument>, ReadError> {
        let mut db = self.begin().await?;
        let build = self.build(&mut db).await?;
        let Some(head) = build.status.heads.into_iter().find(|head| head.source == *source) else {
            return Ok(None);
        };
        read_document(&mut db, build.number, head, path).await.map_err(|error| self.unreadable(error))
    }

    async fn documents(
        &self,
        filter: &Filter,
        after: Option<&(SourceName, String)>,
        limit: usize,
    ) -> Result<Vec<Document>, ReadError> {
        let mut db = self.begin().await?;
        let build = self.build(&mut db).await?;
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
        rows.iter().map(document).collect::<Result<_, _>>().map_err(|error| self.unreadable(error))
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("query_only", "on")
        .pragma("mmap_size", "268435456");
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

/// Reads a published document of a build with its chunks.
pub async fn read_document(
    db: &mut SqliteConnection,
    build: i64,
    head: Head,
    path: &str,
) -> Result<Option<StoredDocument>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT * FROM documents WHERE build = ? AND source = ? AND path = ? AND generation <= ?",
    )
    .bind(build)
    .bind(head.source.as_str())
    .bind(path)
    .bind(head.generation as i64)
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let chunks = sqlx::query("SELECT * FROM chunks WHERE document = ? ORDER BY ordinal")
        .bind(row.try_get::<i64, _>("document")?)
        .fetch_all(&mut *db)
        .await?;
    Ok(Some(StoredDocument {
        document: document(&row)?,
        chunks: chunks.iter().map(chunk).collect::<Result<_, _>>()?,
        head,
    }))
}

/// Names what a row holds that it should not.
fn corrupt(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} is damaged: run `lectern-ingest verify`").into())
}

fn source(row: &SqliteRow) -> Result<SourceName, sqlx::Error> {
    SourceName::parse(row.try_get("source")?).map_err(|_| corrupt("a source's name"))
}

/// Reads the heads of a build, by source.
pub async fn read_heads(db: &mut SqliteConnection, build: i64) -> Result<Vec<Head>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT * FROM heads WHERE build = ? ORDER BY source").bind(build).fetch_all(db).await?;
    rows.iter().map(head).collect()
}

/// Reads a source's head in a build.
pub async fn read_head(
    db: &mut SqliteConnection,
    build: i64,
    source: &SourceName,
) -> Result<Option<Head>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM heads WHERE build = ? AND source = ?")
        .bind(build)
        .bind(source.as_str())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(head).transpose()
}

fn head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let repository = match (row.try_get("repository_url")?, row.try_get("repository_path")?) {
        (Some(url), Some(path)) => Some(Repository { url, path }),
        _ => None,
    };
    Ok(Head {
        source: source(row)?,
        generation: row.try_get::<i64, _>("generation")? as u64,
        commit: row.try_get("commit_sha")?,
        repository,
        version: row.try_get("version")?,
        url_template: row.try_get("url_template")?,
        indexed_at: row.try_get("indexed_at")?,
        checked_at: row.try_get("checked_at")?,
        commits_behind: row.try_get::<Option<i64>, _>("commits_behind")?.map(|n| n as u64),
        documents: row.try_get::<i64, _>("documents")? as u64,
        chunks: row.try_get::<i64, _>("chunks")? as u64,
    })
}

/// Reads a row of `documents`.
pub fn document(row: &SqliteRow) -> Result<Document, sqlx::Error> {
    Ok(Document {
        source: source(row)?,
        path: row.try_get("path")?,
        blob_sha: BlobSha::parse(row.try_get("blob_sha")?).ok_or_else(|| corrupt("a blob SHA"))?,
        title: row.try_get("title")?,
        summary: row.try_get("summary")?,
        entities: serde_json::from_str(row.try_get("entities")?)
            .map_err(|_| corrupt("a list of entities"))?,
        lines: row.try_get("lines")?,
        tokens: row.try_get("tokens")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// Reads a row of `chunks`.
pub fn chunk(row: &SqliteRow) -> Result<Chunk, sqlx::Error> {
    Ok(Chunk {
        ordinal: row.try_get("ordinal")?,
        start_byte: row.try_get("start_byte")?,
        end_byte: row.try_get("end_byte")?,
        start_line: row.try_get("start_line")?,
        end_line: row.try_get("end_line")?,
        heading_path: serde_json::from_str(row.try_get("heading_path")?)
            .map_err(|_| corrupt("a heading path"))?,
        anchor: row.try_get("anchor")?,
        tokens: row.try_get("tokens")?,
        context: row.try_get("context")?,
        text: row.try_get("text")?,
    })
}

fn stored_chunk(row: &SqliteRow) -> Result<StoredChunk, sqlx::Error> {
    Ok(StoredChunk {
        id: ChunkId::from_bytes(row.try_get("id")?).ok_or_else(|| corrupt("a chunk id"))?,
        source: source(row)?,
        path: row.try_get("path")?,
        title: row.try_get("title")?,
        chunk: chunk(row)?,
    })
}
