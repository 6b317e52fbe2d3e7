//! Opening the embedded index: to write it, to read it, or for a dry run.

use std::path::Path;
use std::time::Duration;

use lectern_index::made_by;
use lectern_index::sqlite as read;
use sqlx::AssertSqlSafe;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use super::{SqliteStore, persist_wal};
use crate::store::WriteError;

/// How long to wait for another writer: readers never block, so this is a backup or a checkpoint.
const BUSY: Duration = Duration::from_secs(30);

impl SqliteStore {
    /// Opens or makes the index and brings its schema up to date; a database of something else is refused.
    pub async fn open(path: &Path) -> Result<Self, WriteError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && !folder.is_dir()
        {
            let reason = format!("cannot be made: the folder {} does not exist", folder.display());
            return Err(WriteError { location: path.display().to_string(), reason });
        }
        let options = SqliteConnectOptions::new()
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-65536")
            // Checkpoints are ours, see `checkpoint`.
            .pragma("wal_autocheckpoint", "0");
        let store = Self::connect(path, options, true).await?;
        if store.schema().await?.is_none() && !store.is_empty().await? {
            let reason = "is a database of something else: choose another file with --index".to_owned();
            return Err(WriteError { location: path.display().to_string(), reason });
        }
        store.migrate().await?;
        // Only now: it is written into the file, which may be somebody else's.
        let wal = sqlx::query("PRAGMA journal_mode = WAL").execute(&store.pool).await;
        wal.map_err(|error| store.error(error))?;
        Ok(store)
    }

    /// Opens an existing index of this schema for writing.
    pub async fn open_existing(path: &Path) -> Result<Self, WriteError> {
        Self::existing(path, true).await
    }

    /// Opens an existing index of this schema for reading: works for those who may write neither
    /// the file nor its folder, and holds up no writer.
    pub async fn open_read(path: &Path) -> Result<Self, WriteError> {
        Self::existing(path, false).await
    }

    /// Opens the index for a dry run: for reading, and where there is no index yet, an empty one in
    /// memory stands in for it.
    pub async fn open_dry(path: &Path) -> Result<Self, WriteError> {
        if path.try_exists().unwrap_or(true) && !std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Self::open_read(path).await;
        }
        Self::in_memory(path).await
    }

    /// An empty one in memory, which errors name as if it were at `path`.
    pub async fn in_memory(path: &Path) -> Result<Self, WriteError> {
        // It lives as long as its one connection.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect("sqlite::memory:").await;
        let pool = pool.map_err(|error| failure(path, false, &error))?;
        let store = Self { path: path.to_owned(), pool, writes: false };
        store.migrate().await?;
        Ok(store)
    }

    /// The schema of the index; `None` where there is none (yet), as where its making was cut short.
    pub async fn schema_of(path: &Path) -> Result<Option<i64>, WriteError> {
        if !path.try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let store = Self::connect(path, SqliteConnectOptions::new().read_only(true), false).await?;
        let schema = store.schema().await;
        store.close().await;
        schema
    }

    async fn existing(path: &Path, writes: bool) -> Result<Self, WriteError> {
        let fail = |reason: String| WriteError { location: path.display().to_string(), reason };
        let make = "run `lectern-ingest sync` to make it, or check --index";
        if !path.try_exists().unwrap_or(true) {
            return Err(fail(format!("does not exist: {make}")));
        }
        let options = SqliteConnectOptions::new().read_only(!writes);
        let store = Self::connect(path, options, writes).await?;
        match store.schema().await? {
            Some(read::SCHEMA) => Ok(store),
            Some(newer) if newer > read::SCHEMA => Err(store.too_new(newer).await),
            Some(older) => Err(fail(format!(
                "has schema {older}, older than the schema {} of this program: run `lectern-ingest sync` once, it brings the index up to date",
                read::SCHEMA
            ))),
            None => Err(fail(format!("holds no index yet: {make}"))),
        }
    }

    /// The newest migration in the file; `None` for an empty file, or a database of something else.
    async fn schema(&self) -> Result<Option<i64>, WriteError> {
        let schema = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM _sqlx_migrations");
        match schema.fetch_one(&self.pool).await {
            Ok(newest) => Ok(Some(newest.unwrap_or(0))),
            Err(sqlx::Error::Database(error)) if error.message().contains("no such table") => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    async fn is_empty(&self) -> Result<bool, WriteError> {
        let tables = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_schema").fetch_one(&self.pool);
        Ok(tables.await.map_err(|error| self.error(error))? == 0)
    }

    async fn connect(path: &Path, options: SqliteConnectOptions, writes: bool) -> Result<Self, WriteError> {
        let options = options.filename(path).foreign_keys(true).busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(1).after_connect(move |connection, _| {
            // Who only reads removes no log either.
            Box::pin(async move { if writes { persist_wal::set(connection).await } else { Ok(()) } })
        });
        let pool = pool.connect_with(options).await.map_err(|error| failure(path, writes, &error))?;
        Ok(Self { path: path.to_owned(), pool, writes })
    }

    /// Turns what SQLite said into an error that names the file and the next step.
    pub fn error(&self, error: sqlx::Error) -> WriteError {
        failure(&self.path, self.writes, &error)
    }

    /// Brings the schema up to date; a newer one is refused.
    pub async fn migrate(&self) -> Result<(), WriteError> {
        match sqlx::migrate!("../migrations").run(&self.pool).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(version)) => return Err(self.too_new(version).await),
            Err(MigrateError::Execute(error)) => return Err(self.error(error)),
            Err(other) => {
                let reason = format!("cannot be brought up to date: {other}");
                return Err(WriteError { location: self.path.display().to_string(), reason });
            }
        }
        self.record_version().await.map_err(|error| self.error(error))
    }

    /// Writes this program's version into the index, unless a newer one stands there.
    async fn record_version(&self) -> Result<(), sqlx::Error> {
        let mut db = self.pool.acquire().await?;
        let ours = made_by::number(made_by::VERSION).unwrap_or_default();
        if made_by::read(&mut db).await? < ours {
            // A pragma takes no bound values; this is a number of ours.
            sqlx::query(AssertSqlSafe(format!("PRAGMA user_version = {ours}"))).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Why an index of a newer schema is left alone, and which version to use.
    async fn too_new(&self, schema: i64) -> WriteError {
        let advice = match self.pool.acquire().await {
            Ok(mut db) => made_by::advice(&mut db, "lectern-ingest").await,
            Err(error) => return self.error(error),
        };
        let reason =
            format!("has schema {schema}, newer than the schema {} of this program: {advice}", read::SCHEMA);
        WriteError { location: self.path.display().to_string(), reason }
    }
}

/// What SQLite said, and what to do.
pub(crate) fn failure(path: &Path, writes: bool, error: &sqlx::Error) -> WriteError {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    let what = if writes { "written" } else { "read" };
    let reason = format!("cannot be {what}: {}", read::with_advice(&text, writes));
    WriteError { location: path.display().to_string(), reason }
}
