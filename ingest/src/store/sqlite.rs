//! Writes the embedded index: one SQLite file in WAL mode.
//!
//! Staged rows carry the next generation, which readers do not see; publish deletes what is stale
//! and advances the head in one transaction. `synchronous = FULL`: a sync that reported success
//! survives a power cut.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use lectern_index::document::SourceName;
use lectern_index::head::Head;
use lectern_index::made_by;
use lectern_index::search::StoredDocument;
use lectern_index::sqlite as read;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::ledger;
use crate::store::{Begun, BuildSpec, IndexWriter, Publication, Published, StagedDocument, WriteError};

pub(crate) mod builds;
mod persist_wal;
mod rows;

use builds::{ensure_build, switch};
use rows::{Stale, delete_documents, insert_chunks, json, next_id, write_head};

/// Rows in one INSERT: SQLite binds at most 32,766 values a statement.
const ROWS: usize = 500;

/// A log longer than this is moved into the database during a sync: staged rows may be there, they
/// are seen by nobody. Too low: every batch is written twice at once; too high: disk and slow readers.
const LONGEST_LOG: u64 = 64 * 1024 * 1024;

/// How long to wait for another writer: readers never block, so this is a backup or a checkpoint.
const BUSY: Duration = Duration::from_secs(30);

/// The embedded index, opened for writing.
pub struct SqliteStore {
    path: PathBuf,
    pool: SqlitePool,
    /// Whether whatever is written is rolled back.
    dry: bool,
}

impl SqliteStore {
    /// Opens or makes the index and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, WriteError> {
        let fail = |reason: String| WriteError { location: path.display().to_string(), reason };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && !folder.is_dir()
        {
            return Err(fail(format!("cannot be made: the folder {} does not exist", folder.display())));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("cache_size", "-65536")
            // Checkpoints are ours, see `checkpoint`.
            .pragma("wal_autocheckpoint", "0");
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .after_connect(|connection, _| Box::pin(persist_wal::set(connection)))
            .connect_with(options)
            .await
            .map_err(|error| fail(reason(&error)))?;
        let store = Self { path: path.to_owned(), pool, dry: false };
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the index for a dry run: nothing is written, and where there is no index yet, one in
    /// memory stands in for it.
    pub async fn open_dry(path: &Path) -> Result<Self, WriteError> {
        if path.exists() {
            let store = Self::open_read(path).await?;
            return Ok(Self { dry: true, ..store });
        }
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await;
        let pool = pool
            .map_err(|error| WriteError { location: path.display().to_string(), reason: reason(&error) })?;
        let store = Self { path: path.to_owned(), pool, dry: true };
        store.migrate().await?;
        Ok(store)
    }

    /// Opens an existing index of this schema without changing it.
    pub async fn open_read(path: &Path) -> Result<Self, WriteError> {
        let fail = |reason: String| WriteError { location: path.display().to_string(), reason };
        if !path.exists() {
            return Err(fail(
                "does not exist: run `lectern-ingest sync` to make it, or check --index".into(),
            ));
        }
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .after_connect(|connection, _| Box::pin(persist_wal::set(connection)))
            .connect_with(options)
            .await
            .map_err(|error| fail(reason(&error)))?;
        let schema: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&pool)
            .await
            .map_err(|error| fail(reason(&error)))?;
        let store = Self { path: path.to_owned(), pool, dry: false };
        match schema.unwrap_or_default() {
            read::SCHEMA => Ok(store),
            newer if newer > read::SCHEMA => Err(fail(store.too_new(newer).await)),
            older => Err(fail(format!(
                "has schema {older}, older than the schema {} of this program: run `lectern-ingest sync` once, it brings the index up to date",
                read::SCHEMA
            ))),
        }
    }

    /// The one connection that writes; also for the ledger, the vectors and the run history.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Moves the write-ahead log into the database and empties it, then closes the file. A log that
    /// stayed full would be replayed over the database by the next to open it, harmless only as
    /// long as every byte of it is intact.
    pub async fn close(&self) {
        self.checkpoint().await;
        self.pool.close().await;
    }

    /// Readers may hold the log for longer than we wait: then the next checkpoint does it.
    async fn checkpoint(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!("no checkpoint: {error}");
        }
    }

    /// Turns what SQLite said into an error that names the file and the next step.
    pub fn error(&self, error: sqlx::Error) -> WriteError {
        WriteError { location: self.path.display().to_string(), reason: reason(&error) }
    }

    /// Brings the schema up to date; a newer one is refused.
    pub async fn migrate(&self) -> Result<(), WriteError> {
        let fail = |reason| WriteError { location: self.path.display().to_string(), reason };
        if let Err(error) = sqlx::migrate!("../migrations").run(&self.pool).await {
            return Err(fail(match error {
                MigrateError::VersionMissing(version) => self.too_new(version).await,
                MigrateError::Execute(error) => reason(&error),
                other => format!("cannot be brought up to date: {other}"),
            }));
        }
        let mut db = self.pool.acquire().await.map_err(|error| self.error(error))?;
        record_version(&mut db).await.map_err(|error| self.error(error))
    }

    /// Why an index of a newer schema is left alone, and which version to use.
    async fn too_new(&self, schema: i64) -> String {
        let advice = match self.pool.acquire().await {
            Ok(mut db) => made_by::advice(&mut db, "lectern-ingest").await,
            Err(error) => reason(&error),
        };
        format!("has schema {schema}, newer than the schema {} of this program: {advice}", read::SCHEMA)
    }
}

/// Writes this program's version into the index, unless a newer one stands there.
async fn record_version(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let ours = made_by::number(made_by::VERSION).unwrap_or_default();
    if made_by::read(db).await? < ours {
        // A pragma takes no bound values; this is a number of ours.
        sqlx::query(AssertSqlSafe(format!("PRAGMA user_version = {ours}"))).execute(db).await?;
    }
    Ok(())
}

/// Length of the write-ahead log.
fn log_bytes(index: &Path) -> u64 {
    let mut log = index.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// What SQLite said, and what to do.
fn reason(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    let advice = [
        ("disk is full", "free some space and run the sync again: nothing is lost"),
        ("readonly", "check the permissions of the file and its folder"),
        ("unable to open", "check that its folder exists and can be written"),
        ("locked", "another program holds it: end that program, or wait and run the sync again"),
        ("malformed", "restore a backup, or move the file away and sync again"),
        ("not a database", "move the file away, or choose another with --index"),
        ("disk I/O error", "check the disk: it is full, gone or failing"),
    ];
    let next = advice.iter().find(|(said, _)| text.contains(said)).map(|(_, next)| format!(" ({next})"));
    format!("cannot be written: {text}{}", next.unwrap_or_default())
}

#[async_trait]
impl IndexWriter for SqliteStore {
    async fn begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, WriteError> {
        self.try_begin(spec, source).await.map_err(|error| self.error(error))
    }

    async fn load(&self, begun: &Begun, path: &str) -> Result<Option<StoredDocument>, WriteError> {
        let Some(head) = begun.head.clone() else { return Ok(None) };
        let mut db = self.pool.acquire().await.map_err(|error| self.error(error))?;
        read::read_document(&mut db, begun.build, head, path).await.map_err(|error| self.error(error))
    }

    async fn stage(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), WriteError> {
        self.try_stage(begun, documents).await.map_err(|error| self.error(error))?;
        if log_bytes(&self.path) > LONGEST_LOG {
            self.checkpoint().await;
        }
        Ok(())
    }

    async fn publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, WriteError> {
        self.try_publish(begun, publication).await.map_err(|error| self.error(error))
    }

    async fn touch(
        &self,
        begun: &Begun,
        checked_at: &str,
        commits_behind: Option<u64>,
    ) -> Result<(), WriteError> {
        self.try_touch(begun, checked_at, commits_behind).await.map_err(|error| self.error(error))
    }
}

impl SqliteStore {
    async fn try_begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let build = ensure_build(&mut db, spec).await?;
        let head = read::read_head(&mut db, build, source).await?;
        let generation = head.as_ref().map_or(0, |head| head.generation);
        delete_documents(&mut db, build, source, Stale::Staged(generation)).await?;
        let mut record = ledger::read(&mut db, &spec.fingerprint, source).await?;
        if record.generation != head.as_ref().map(|head| head.generation) {
            ledger::rebuild(&mut db, &spec.fingerprint, build, source).await?;
            record = ledger::read(&mut db, &spec.fingerprint, source).await?;
        }
        let served = sqlx::query_scalar(
            "SELECT d.path FROM documents d JOIN builds b USING (build) \
             JOIN heads h ON h.build = d.build AND h.source = d.source \
             WHERE b.state = 'serving' AND d.source = ? AND d.generation <= h.generation",
        )
        .bind(source.as_str())
        .fetch_all(&mut *db)
        .await?;
        if self.dry {
            db.rollback().await?
        } else {
            db.commit().await?
        }
        Ok(Begun {
            source: source.clone(),
            build,
            fingerprint: spec.fingerprint.clone(),
            head,
            known: record.known,
            failed: record.failed,
            settings: record.settings,
            served,
            required: spec.required.clone(),
        })
    }

    async fn try_stage(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let generation = begun.head.as_ref().map_or(0, |head| head.generation) as i64 + 1;
        let mut chunk: i64 = next_id(&mut db, "SELECT coalesce(max(chunk), 0) FROM chunks").await?;
        for staged in documents {
            let d = &staged.document;
            let document = sqlx::query(
                "INSERT INTO documents (build, source, path, generation, blob_sha, title, summary, entities, lines, tokens, updated_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(begun.build)
            .bind(d.source.as_str())
            .bind(&d.path)
            .bind(generation)
            .bind(d.blob_sha.as_str())
            .bind(&d.title)
            .bind(&d.summary)
            .bind(json(&d.entities)?)
            .bind(d.lines)
            .bind(d.tokens)
            .bind(&d.updated_at)
            .execute(&mut *db)
            .await?
            .last_insert_rowid();
            for part in staged.chunks.chunks(ROWS) {
                insert_chunks(&mut db, begun.build, document, chunk, d.title.as_deref(), part).await?;
                chunk += part.len() as i64;
            }
        }
        db.commit().await
    }

    async fn try_touch(
        &self,
        begun: &Begun,
        at: &str,
        commits_behind: Option<u64>,
    ) -> Result<(), sqlx::Error> {
        let mut db = self.pool.begin().await?;
        sqlx::query("UPDATE heads SET checked_at = ?, commits_behind = ? WHERE build = ? AND source = ?")
            .bind(at)
            .bind(commits_behind.map(|n| n as i64))
            .bind(begun.build)
            .bind(begun.source.as_str())
            .execute(&mut *db)
            .await?;
        switch(&mut db, begun.build, begun.required.as_deref()).await?;
        db.commit().await
    }

    async fn try_publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let (build, source) = (begun.build, &begun.source);
        let old = begun.head.as_ref().map_or(0, |head| head.generation);
        // What is staged replaces whatever stands under its path, even where the ledger had lost it.
        let mut stale = publication.stale.clone();
        stale.extend(publication.staged.iter().map(|(path, ..)| path.clone()));
        let removed_chunks = delete_documents(&mut db, build, source, Stale::Paths(old, &stale)).await?;
        let counts = sqlx::query(
            "SELECT count(*) AS documents, \
                    coalesce(sum((SELECT count(*) FROM chunks c WHERE c.document = d.document)), 0) AS chunks \
             FROM documents d WHERE build = ? AND source = ?",
        )
        .bind(build)
        .bind(source.as_str())
        .fetch_one(&mut *db)
        .await?;
        let head = Head {
            source: source.clone(),
            generation: old + 1,
            commit: publication.commit.clone(),
            repository: publication.repository.clone(),
            version: publication.version.clone(),
            url_template: publication.url_template.clone(),
            indexed_at: publication.at.clone(),
            checked_at: publication.at.clone(),
            commits_behind: publication.commit.as_ref().map(|_| 0),
            documents: counts.try_get::<i64, _>("documents")? as u64,
            chunks: counts.try_get::<i64, _>("chunks")? as u64,
        };
        write_head(&mut db, build, &head).await?;
        ledger::record(&mut db, &begun.fingerprint, source, head.generation, publication).await?;
        let waiting_for = switch(&mut db, build, begun.required.as_deref()).await?;
        db.commit().await?;
        Ok(Published {
            generation: head.generation,
            documents: head.documents,
            chunks: head.chunks,
            removed_chunks,
            serving: waiting_for.is_empty(),
            waiting_for,
        })
    }
}
