//! Writes the embedded index: one SQLite file in WAL mode.
//!
//! Staged rows carry the next generation, which readers do not see; publish deletes what is stale
//! and advances the head in one transaction. `synchronous = FULL`: a sync that reported success
//! survives a power cut.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use lectern_index::analyse;
use lectern_index::document::SourceName;
use lectern_index::head::Head;
use lectern_index::search::StoredDocument;
use lectern_index::sqlite as read;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::ledger;
use crate::store::{Begun, BuildSpec, IndexWriter, Publication, Published, StagedDocument, WriteError};

mod persist_wal;

/// Rows in one INSERT: SQLite binds at most 32,766 values a statement.
const ROWS: usize = 500;

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
            .pragma("cache_size", "-65536");
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
        match schema {
            Some(read::SCHEMA) => Ok(Self { path: path.to_owned(), pool, dry: false }),
            other => Err(fail(format!(
                "has schema {}, this program has {}: run `lectern-ingest sync` with the newer of the two versions",
                other.unwrap_or(0),
                read::SCHEMA
            ))),
        }
    }

    /// The one connection that writes; also for the ledger, the vectors and the run history.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Waits until the file is closed.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Turns what SQLite said into an error that names the file and the next step.
    pub fn error(&self, error: sqlx::Error) -> WriteError {
        WriteError { location: self.path.display().to_string(), reason: reason(&error) }
    }

    async fn migrate(&self) -> Result<(), WriteError> {
        sqlx::migrate!("../migrations").run(&self.pool).await.map_err(|error| WriteError {
            location: self.path.display().to_string(),
            reason: match error {
                sqlx::migrate::MigrateError::VersionMissing(version) => format!(
                    "has schema {version}, newer than the schema {} of this program: use the lectern-ingest that wrote it, or a newer one",
                    read::SCHEMA
                ),
                sqlx::migrate::MigrateError::Execute(error) => reason(&error),
                other => format!("cannot be brought up to date: {other}"),
            },
        })
    }
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
        self.try_stage(begun, documents).await.map_err(|error| self.error(error))
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
        sqlx::query("UPDATE heads SET checked_at = ?, commits_behind = ? WHERE build = ? AND source = ?")
            .bind(checked_at)
            .bind(commits_behind.map(|n| n as i64))
            .bind(begun.build)
            .bind(begun.source.as_str())
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|error| self.error(error))
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

    async fn try_publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, sqlx::Error> {
        let mut db = self.pool.begin().await?;
        let (build, source) = (begun.build, &begun.source);
        let old = begun.head.as_ref().map_or(0, |head| head.generation);
        let removed_chunks =
            delete_documents(&mut db, build, source, Stale::Paths(old, &publication.stale)).await?;
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
        let waiting_for = switch(&mut db, build, publication.required.as_deref()).await?;
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

/// The build of this fingerprint, made if it is new.
async fn ensure_build(db: &mut SqliteConnection, spec: &BuildSpec) -> Result<i64, sqlx::Error> {
    let known: Option<i64> = sqlx::query_scalar("SELECT build FROM builds WHERE fingerprint = ?")
        .bind(spec.fingerprint.as_str())
        .fetch_optional(&mut *db)
        .await?;
    if let Some(build) = known {
        return Ok(build);
    }
    let build: i64 = sqlx::query_scalar(
        "INSERT INTO builds (fingerprint, state, embedder, dimensions, chunk, created_at) \
         VALUES (?, 'filling', ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) RETURNING build",
    )
    .bind(spec.fingerprint.as_str())
    .bind(spec.embedder.as_ref().map(|(id, _)| id.as_str()))
    .bind(spec.embedder.as_ref().map(|(_, dimensions)| *dimensions))
    .bind(json(&spec.chunk)?)
    .fetch_one(&mut *db)
    .await?;
    // The analyser has split, lower-cased and stemmed; the tokenizer must only split at spaces.
    let table = format!(
        "CREATE VIRTUAL TABLE fts_{build} USING fts5 \
         (title, headings, body, content = '', contentless_delete = 1, tokenize = 'ascii')"
    );
    sqlx::query(AssertSqlSafe(table)).execute(db).await?;
    Ok(build)
}

/// Which documents of a source go.
enum Stale<'a> {
    /// Those above this generation: written by a run that died.
    Staged(u64),
    /// The published ones (up to this generation) with these paths.
    Paths(u64, &'a [String]),
}

/// Deletes documents with their chunks and full-text rows; returns how many chunks went.
async fn delete_documents(
    db: &mut SqliteConnection,
    build: i64,
    source: &SourceName,
    stale: Stale<'_>,
) -> Result<u64, sqlx::Error> {
    let (generation, which, paths) = match stale {
        Stale::Staged(generation) => (generation, "generation > ?3 AND ?4 IS NOT NULL", "[]".to_owned()),
        Stale::Paths(_, []) => return Ok(0),
        Stale::Paths(generation, paths) => {
            (generation, "generation <= ?3 AND path IN (SELECT value FROM json_each(?4))", json(&paths)?)
        }
    };
    let documents = format!("SELECT document FROM documents WHERE build = ?1 AND source = ?2 AND {which}");
    let statements = [
        format!(
            "DELETE FROM fts_{build} WHERE rowid IN (SELECT chunk FROM chunks WHERE document IN ({documents}))"
        ),
        format!("DELETE FROM chunks WHERE document IN ({documents})"),
        format!("DELETE FROM documents WHERE build = ?1 AND source = ?2 AND {which}"),
    ];
    let mut chunks = 0;
    for (i, statement) in statements.into_iter().enumerate() {
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(build)
            .bind(source.as_str())
            .bind(generation as i64)
            .bind(&paths)
            .execute(&mut *db)
            .await?;
        if i == 1 {
            chunks = done.rows_affected();
        }
    }
    Ok(chunks)
}

async fn insert_chunks(
    db: &mut SqliteConnection,
    build: i64,
    document: i64,
    first: i64,
    title: Option<&str>,
    chunks: &[(lectern_index::chunk::ChunkId, lectern_index::chunk::Chunk)],
) -> Result<(), sqlx::Error> {
    let mut rows = QueryBuilder::<Sqlite>::new(
        "INSERT INTO chunks (chunk, document, ordinal, id, start_byte, end_byte, start_line, end_line, heading_path, \
         anchor, tokens, context, text, content_hash, text_hash) ",
    );
    let mut failed = None;
    rows.push_values(chunks.iter().zip(first..), |mut row, ((id, chunk), rowid)| {
        let heading_path = json(&chunk.heading_path).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        });
        row.push_bind(rowid)
            .push_bind(document)
            .push_bind(chunk.ordinal)
            .push_bind(id.as_bytes().to_vec())
            .push_bind(chunk.start_byte)
            .push_bind(chunk.end_byte)
            .push_bind(chunk.start_line)
            .push_bind(chunk.end_line)
            .push_bind(heading_path)
            .push_bind(chunk.anchor.as_deref())
            .push_bind(chunk.tokens)
            .push_bind(chunk.context.as_str())
            .push_bind(chunk.text.as_str())
            .push_bind(chunk.content_hash().as_bytes().to_vec())
            .push_bind(chunk.text_hash().as_bytes().to_vec());
    });
    if let Some(error) = failed {
        return Err(error);
    }
    rows.build().execute(&mut *db).await?;
    let title = analyse::analysed(title.unwrap_or_default());
    let mut rows =
        QueryBuilder::<Sqlite>::new(format!("INSERT INTO fts_{build} (rowid, title, headings, body) "));
    rows.push_values(chunks.iter().zip(first..), |mut row, ((_, chunk), rowid)| {
        row.push_bind(rowid)
            .push_bind(title.as_str())
            .push_bind(analyse::analysed(&chunk.heading_path.join("\n")))
            .push_bind(analyse::analysed(&chunk.text));
    });
    rows.build().execute(db).await?;
    Ok(())
}

async fn write_head(db: &mut SqliteConnection, build: i64, head: &Head) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(build)
        .bind(head.source.as_str())
        .bind(head.generation as i64)
        .bind(&head.commit)
        .bind(head.repository.as_ref().map(|repository| repository.url.as_str()))
        .bind(head.repository.as_ref().map(|repository| repository.path.as_str()))
        .bind(&head.version)
        .bind(&head.url_template)
        .bind(&head.indexed_at)
        .bind(&head.checked_at)
        .bind(head.commits_behind.map(|n| n as i64))
        .bind(head.documents as i64)
        .bind(head.chunks as i64)
        .execute(db)
        .await
        .map(drop)
}

/// Lets readers be served `build` once it holds every source it must; returns the ones it lacks.
async fn switch(
    db: &mut SqliteConnection,
    build: i64,
    required: Option<&[SourceName]>,
) -> Result<Vec<SourceName>, sqlx::Error> {
    // Without a list of its own the run must not lose a source that is served now.
    let required = required.map(json).transpose()?;
    let lacking: Vec<String> = sqlx::query_scalar(
        "SELECT h.source FROM heads h JOIN builds b USING (build) WHERE b.state = 'serving' AND b.build <> ?1 \
           AND (?2 IS NULL OR h.source IN (SELECT value FROM json_each(?2))) \
           AND h.source NOT IN (SELECT source FROM heads WHERE build = ?1) ORDER BY h.source",
    )
    .bind(build)
    .bind(required)
    .fetch_all(&mut *db)
    .await?;
    if lacking.is_empty() {
        sqlx::query("UPDATE builds SET state = 'kept' WHERE state = 'serving' AND build <> ?")
            .bind(build)
            .execute(&mut *db)
            .await?;
        sqlx::query("UPDATE builds SET state = 'serving' WHERE build = ?").bind(build).execute(db).await?;
    }
    Ok(lacking.iter().filter_map(|name| SourceName::parse(name).ok()).collect())
}

async fn next_id(db: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    Ok(sqlx::query_scalar::<_, i64>(sql).fetch_one(db).await? + 1)
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
