//! Writes the embedded index: one SQLite file in WAL mode.
//!
//! Staged rows carry the next generation, which readers do not see; publish deletes what is stale
//! and advances the head in one transaction. `synchronous = FULL`: a sync that reported success
//! survives a power cut.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::search::StoredDocument;
use lectern_index::sqlite::{self as read, SqliteIndex};
use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};

use crate::embed::Cache;
use crate::ledger;
use crate::store::{
    Begun, BuildSpec, Candidate, IndexWriter, Publication, Published, StagedDocument, WriteError,
};

pub(crate) mod builds;
mod open;
mod persist_wal;
mod rows;

use builds::{ensure_build, find_build, lacking, serve_build, served, switch};
pub(crate) use open::failure;
use rows::{Stale, delete_documents, insert_chunks, json, next_id, write_head};

/// Rows in one INSERT: SQLite binds at most 32,766 values a statement.
const ROWS: usize = 500;

/// A log longer than this is moved into the database during a sync: staged rows may be there, they
/// are seen by nobody. Too low: every batch is written twice at once; too high: disk and slow readers.
const LONGEST_LOG: u64 = 64 * 1024 * 1024;

/// The embedded index, opened by `lectern-ingest`.
pub struct SqliteStore {
    path: PathBuf,
    pool: SqlitePool,
    /// Whether it was opened for writing; where not, SQLite itself refuses to write.
    writes: bool,
}

impl SqliteStore {
    /// The one connection; also for the ledger, the vectors and the run history.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// The vectors that were made before.
    pub fn cache(&self) -> Cache {
        Cache::new(self.pool.clone(), &self.path)
    }

    /// Moves the write-ahead log into the database and empties it, then closes the file. A log that
    /// stayed full would be replayed over the database by the next to open it, harmless only as
    /// long as every byte of it is intact.
    pub async fn close(&self) {
        if self.writes {
            self.checkpoint().await;
        }
        self.pool.close().await;
    }

    /// Readers may hold the log for longer than we wait: then the next checkpoint does it.
    async fn checkpoint(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!("no checkpoint: {error}");
        }
    }
}

/// Length of the write-ahead log.
fn log_bytes(index: &Path) -> u64 {
    let mut log = index.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// The build that a sync began to write.
async fn begun_build(db: &mut SqliteConnection, begun: &Begun) -> Result<i64, sqlx::Error> {
    find_build(db, &begun.spec.fingerprint).await?.ok_or(sqlx::Error::RowNotFound)
}

#[async_trait]
impl IndexWriter for SqliteStore {
    async fn begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, WriteError> {
        self.try_begin(spec, source).await.map_err(|error| self.error(error))
    }

    async fn load(&self, begun: &Begun, path: &str) -> Result<Option<StoredDocument>, WriteError> {
        self.try_load(begun, path).await.map_err(|error| self.error(error))
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

    async fn candidate(&self, spec: &BuildSpec) -> Result<Option<Candidate>, WriteError> {
        let served = self.try_candidate(spec).await.map_err(|error| self.error(error))?;
        let reader = |fingerprint| Box::new(SqliteIndex::of_build(self.path.clone(), fingerprint));
        Ok(served.map(|served| Candidate { new: reader(spec.fingerprint.clone()), served: reader(served) }))
    }

    async fn switch(&self, spec: &BuildSpec) -> Result<(), WriteError> {
        self.try_switch(spec).await.map_err(|error| self.error(error))
    }
}

impl SqliteStore {
    /// The build that is served, where that of `spec` is complete and another one.
    async fn try_candidate(&self, spec: &BuildSpec) -> Result<Option<Fingerprint>, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let Some(build) = find_build(&mut db, &spec.fingerprint).await? else { return Ok(None) };
        let Some((_, served)) = served(&mut db).await?.filter(|(served, _)| *served != build) else {
            return Ok(None);
        };
        let lacking = lacking(&mut db, build, spec).await?;
        Ok(lacking.is_empty().then_some(served))
    }

    async fn try_switch(&self, spec: &BuildSpec) -> Result<(), sqlx::Error> {
        let mut db = self.pool.begin().await?;
        if let Some(build) = find_build(&mut db, &spec.fingerprint).await? {
            serve_build(&mut db, build).await?;
        }
        db.commit().await
    }

    async fn try_begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        // No build has the number 0.
        let build = if self.writes {
            ensure_build(&mut db, spec).await?
        } else {
            find_build(&mut db, &spec.fingerprint).await?.unwrap_or(0)
        };
        let head = read::read_head(&mut db, build, source).await?;
        let generation = head.as_ref().map(|head| head.generation);
        if self.writes {
            delete_documents(&mut db, build, source, Stale::Staged(generation.unwrap_or(0))).await?;
        }
        let mut record = ledger::read(&mut db, &spec.fingerprint, source).await?;
        if record.generation != generation {
            if self.writes {
                ledger::rebuild(&mut db, &spec.fingerprint, build, source).await?;
            }
            record = ledger::of_index(&mut db, build, source).await?;
        }
        let served = sqlx::query_scalar(
            "SELECT d.path FROM documents d JOIN builds b USING (build) \
             JOIN heads h ON h.build = d.build AND h.source = d.source \
             WHERE b.state = 'serving' AND d.source = ? AND d.generation <= h.generation",
        )
        .bind(source.as_str())
        .fetch_all(&mut *db)
        .await?;
        db.commit().await?;
        Ok(Begun {
            source: source.clone(),
            spec: spec.clone(),
            head,
            known: record.known,
            failed: record.failed,
            settings: record.settings,
            served,
        })
    }

    async fn try_load(&self, begun: &Begun, path: &str) -> Result<Option<StoredDocument>, sqlx::Error> {
        let Some(head) = begun.head.clone() else { return Ok(None) };
        let mut db = self.pool.begin().await?;
        let build = begun_build(&mut db, begun).await?;
        read::read_document(&mut db, build, head, path).await
    }

    async fn try_stage(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let build = begun_build(&mut db, begun).await?;
        let generation = begun.head.as_ref().map_or(0, |head| head.generation) as i64 + 1;
        let mut chunk: i64 = next_id(&mut db, "SELECT coalesce(max(chunk), 0) FROM chunks").await?;
        for staged in documents {
            let d = &staged.document;
            let document = sqlx::query(
                "INSERT INTO documents (build, source, path, generation, blob_sha, title, summary, entities, lines, tokens, updated_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(build)
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
                insert_chunks(&mut db, build, document, chunk, d.title.as_deref(), part).await?;
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
        let build = begun_build(&mut db, begun).await?;
        sqlx::query("UPDATE heads SET checked_at = ?, commits_behind = ? WHERE build = ? AND source = ?")
            .bind(at)
            .bind(commits_behind.map(|n| n as i64))
            .bind(build)
            .bind(begun.source.as_str())
            .execute(&mut *db)
            .await?;
        switch(&mut db, build, &begun.spec).await?;
        db.commit().await
    }

    async fn try_publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let (build, source) = (begun_build(&mut db, begun).await?, &begun.source);
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
        let documents = counts.try_get::<i64, _>("documents")? as u64;
        let chunks = counts.try_get::<i64, _>("chunks")? as u64;
        let head = publication.head(source, old + 1, documents, chunks);
        write_head(&mut db, build, &head).await?;
        ledger::record(&mut db, &begun.spec.fingerprint, source, head.generation, publication).await?;
        let waiting_for = switch(&mut db, build, &begun.spec).await?;
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
