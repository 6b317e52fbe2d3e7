//! `backup` and `restore`: the whole index, with ledger and vectors, as one file.

use std::path::{Path, PathBuf};

use lectern_index::made_by;
use sqlx::{AssertSqlSafe, Connection};

use crate::exit::{Exit, Failure};
use crate::store::sqlite::SqliteStore;

pub(crate) mod appear;
mod copy;

/// Writes a consistent copy of the index to `file`, which must not exist yet; a sync may run
/// meanwhile. The copy appears under its name only when it is complete and on disk.
pub async fn backup(store: &SqliteStore, file: &Path) -> Result<(), Failure> {
    let part = appear::part(file)?;
    let written = sqlx::query(AssertSqlSafe("VACUUM INTO ?".to_owned()))
        .bind(part.display().to_string())
        .execute(store.pool())
        .await;
    if let Err(error) = written {
        remove(&part)?;
        return Err(store.error(error).into());
    }
    appear::whole(&part, file).map_err(|error| {
        Failure::new(Exit::IndexDown, format!("the backup {} cannot be written: {error}", file.display()))
    })
}

/// Replaces what the index at `store` holds by the backup in `file`, in one transaction: readers
/// see the old content or the restored one. The backup is checked first.
pub async fn restore(store: &SqliteStore, file: &Path) -> Result<(), Failure> {
    if !file.is_file() {
        return Err(Failure::usage(format!("there is no backup at {}", file.display())));
    }
    let bad = |reason: String| Failure::usage(format!("{} cannot be restored: {reason}", file.display()));
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
    let mut backup =
        sqlx::SqliteConnection::connect_with(&options).await.map_err(|error| bad(error.to_string()))?;
    let checked: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)")
        .fetch_all(&mut backup)
        .await
        .map_err(|error| bad(error.to_string()))?;
    if checked != ["ok"] {
        return Err(bad(format!("it is damaged: {}", checked.join("; "))));
    }
    let schema: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut backup)
        .await
        .map_err(|_| bad("it is not a backup of a Lectern index".into()))?;
    if schema.is_none_or(|schema| schema > lectern_index::sqlite::SCHEMA) {
        return Err(bad(format!(
            "its schema is newer: {}",
            made_by::advice(&mut backup, "lectern-ingest").await
        )));
    }
    let mut target = store.pool().acquire().await.map_err(|error| store.error(error))?;
    copy::copy(&mut backup, &mut target).await.map_err(|error| store.error(error))?;
    drop(target);
    Ok(store.migrate().await?)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(file: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(Exit::IndexDown, format!("{} cannot be removed: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// Makes a rename durable.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
