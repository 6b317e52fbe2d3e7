//! `prune` and `rollback`: what is kept beside what is served.

use lectern_index::config::Config;
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::store::WriteError;
use crate::store::open::Store;
use crate::store::sqlite::{SqliteStore, builds};

mod qdrant;

/// What was removed.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// Sources that are no longer configured.
    pub sources: Vec<SourceName>,
    /// Vectors that no chunk uses.
    pub vectors: u64,
    /// Summaries that a model wrote and no document has.
    pub summaries: u64,
    /// Fingerprints of builds that are not served.
    pub builds: Vec<String>,
}

/// Removes what `options` names, of a file in one transaction, and gives the space back to the disk.
/// `current` is the fingerprint of the settings, whose build may be half filled.
pub async fn prune(
    store: &Store,
    config: &Config,
    options: &cli::Prune,
    current: &Fingerprint,
) -> Result<Pruned, Failure> {
    if !(options.sources || options.cache || options.builds) {
        return Err(Failure::usage("say what to prune: --sources, --cache, --builds, or several of them"));
    }
    if options.sources && config.source.is_empty() {
        return Err(Failure::new(
            Exit::Refused,
            "no source is configured, so --sources would remove every one: check --config, nothing was removed",
        ));
    }
    let pruned = match store {
        Store::Sqlite(store) => prune_file(store, config, options, current).await?,
        Store::Qdrant(store) => qdrant::prune(store, config, options, current).await?,
    };
    if let Err(error) = sqlx::query("VACUUM").execute(store.ledger().pool()).await {
        tracing::warn!("the space is free for later syncs, but could not be given back to the disk: {error}");
    }
    Ok(pruned)
}

async fn prune_file(
    store: &SqliteStore,
    config: &Config,
    options: &cli::Prune,
    current: &Fingerprint,
) -> Result<Pruned, WriteError> {
    let mut pruned = Pruned::default();
    let mut db = store.pool().begin().await.map_err(|error| store.error(error))?;
    let removed = async {
        if options.builds {
            pruned.builds = builds(&mut db, current).await?;
        }
        if options.sources {
            pruned.sources = sources(&mut db, config).await?;
        }
        if options.cache {
            (pruned.vectors, pruned.summaries) = cache(&mut db).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    removed.await.map_err(|error| store.error(error))?;
    db.commit().await.map_err(|error| store.error(error))?;
    Ok(pruned)
}

/// Lets readers be served the build that was served before; returns its fingerprint.
pub async fn rollback(store: &Store) -> Result<String, Failure> {
    let back = match store {
        Store::Sqlite(store) => roll_file_back(store).await?,
        Store::Qdrant(store) => qdrant::rollback(store).await?,
    };
    back.ok_or_else(|| {
        Failure::usage(
            "there is no build to go back to: one is kept after each change of model or chunk settings",
        )
    })
}

async fn roll_file_back(store: &SqliteStore) -> Result<Option<String>, WriteError> {
    let mut db = store.pool().begin().await.map_err(|error| store.error(error))?;
    let kept: Option<(i64, String)> = sqlx::query_as(
        "SELECT build, fingerprint FROM builds WHERE state = 'kept' ORDER BY switched_at DESC, build DESC LIMIT 1",
    )
    .fetch_optional(&mut *db)
    .await
    .map_err(|error| store.error(error))?;
    let Some((build, fingerprint)) = kept else { return Ok(None) };
    builds::serve_build(&mut db, build).await.map_err(|error| store.error(error))?;
    db.commit().await.map_err(|error| store.error(error))?;
    Ok(Some(fingerprint))
}

async fn builds(db: &mut SqliteConnection, current: &Fingerprint) -> Result<Vec<String>, sqlx::Error> {
    let old: Vec<(i64, String)> = sqlx::query_as(
        "SELECT build, fingerprint FROM builds WHERE state = 'kept' OR (state = 'filling' AND fingerprint <> ?)",
    )
    .bind(current.as_str())
    .fetch_all(&mut *db)
    .await?;
    for (build, fingerprint) in &old {
        for statement in [
            format!("DROP TABLE IF EXISTS fts_{build}"),
            format!(
                "DELETE FROM chunks WHERE document IN (SELECT document FROM documents WHERE build = {build})"
            ),
            format!("DELETE FROM builds WHERE build = {build}"),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *db).await?;
        }
        forget_build(db, fingerprint).await?;
    }
    Ok(old.into_iter().map(|(_, fingerprint)| fingerprint).collect())
}

async fn sources(db: &mut SqliteConnection, config: &Config) -> Result<Vec<SourceName>, sqlx::Error> {
    let known: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT source FROM heads ORDER BY source").fetch_all(&mut *db).await?;
    let builds: Vec<i64> = sqlx::query_scalar("SELECT build FROM builds").fetch_all(&mut *db).await?;
    let known = known.iter().filter_map(|name| SourceName::parse(name).ok());
    let gone: Vec<SourceName> =
        known.filter(|name| config.source.iter().all(|settings| settings.name != *name)).collect();
    for name in &gone {
        for build in &builds {
            let rows = format!(
                "DELETE FROM fts_{build} WHERE rowid IN (SELECT c.chunk FROM chunks c \
                 JOIN documents d USING (document) WHERE d.build = {build} AND d.source = ?)"
            );
            sqlx::query(AssertSqlSafe(rows)).bind(name.as_str()).execute(&mut *db).await?;
        }
        for table in ["documents", "heads"] {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE source = ?")))
                .bind(name.as_str())
                .execute(&mut *db)
                .await?;
        }
        forget_source(db, name).await?;
    }
    Ok(gone)
}

/// Removes a build from the ledger.
async fn forget_build(db: &mut SqliteConnection, fingerprint: &str) -> Result<(), sqlx::Error> {
    for table in ["ledger_documents", "ledger_sources", "ledger_failures"] {
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE fingerprint = ?")))
            .bind(fingerprint)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Removes a source from ledger and history.
async fn forget_source(db: &mut SqliteConnection, name: &SourceName) -> Result<(), sqlx::Error> {
    for table in ["ledger_documents", "ledger_sources", "ledger_failures", "runs"] {
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE source = ?")))
            .bind(name.as_str())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn cache(db: &mut SqliteConnection) -> Result<(u64, u64), sqlx::Error> {
    let unused = "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks c JOIN documents d USING (document) \
                  JOIN builds b USING (build) WHERE c.text_hash = vectors.text_hash AND b.embedder = vectors.embedder)";
    let vectors = sqlx::query(unused).execute(&mut *db).await?.rows_affected();
    let unused = "DELETE FROM summaries WHERE blob_sha NOT IN (SELECT blob_sha FROM documents)";
    Ok((vectors, sqlx::query(unused).execute(db).await?.rows_affected()))
}
