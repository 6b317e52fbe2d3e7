//! `verify --repair`: mends what `verify` found, with the fewest embedding calls.
//!
//! What can be derived is derived again (ledger, full-text rows, counts); what cannot is indexed
//! again from its source, which embeds only texts whose vectors are lost.

use std::collections::BTreeSet;

use lectern_index::analyse;
use lectern_index::config::{Config, SourceSettings};
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::sqlite as read;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::exit::Failure;
use crate::ledger;
use crate::store::WriteError;
use crate::store::open::Store;
use crate::store::qdrant::Role;
use crate::store::sqlite::SqliteStore;
use crate::sync::Target;
use crate::target;
use crate::verify::{Difference, Findings, Kind, vectors};

mod qdrant;

/// Mends what lies in the index itself, for a file in one transaction, and marks the documents that must be
/// indexed again. Returns the sources to sync for that, with the settings they were indexed with. Fails
/// where a sync under `fingerprint` would make another build instead of mending one.
pub async fn mend(
    store: &Store,
    findings: &Findings,
    config: &Config,
    fingerprint: &Fingerprint,
) -> Result<Vec<Target>, Failure> {
    let origins = match store {
        Store::Sqlite(store) => mend_file(store, findings).await?,
        Store::Qdrant(store) => qdrant::mend(store, findings).await?,
    };
    if !origins.is_empty() && !has_build(store, fingerprint).await? {
        return Err(Failure::usage(
            "documents must be indexed again, with the settings of [chunk] and [embedding] that the index was made with, and these are others: repair with those",
        ));
    }
    let mut targets = Vec::new();
    for (name, origin) in origins {
        let configured = config.source.iter().find(|settings| settings.name == name).cloned();
        let settings = configured.or_else(|| serde_json::from_str::<SourceSettings>(&origin?).ok()).ok_or_else(|| {
            Failure::usage(format!("source {name} must be indexed again, but its origin is not known: run `lectern-ingest sync` on it"))
        })?;
        targets.push(target::configured(&settings, config)?);
    }
    Ok(targets)
}

/// Whether a build of `fingerprint` is among those that are verified.
async fn has_build(store: &Store, fingerprint: &Fingerprint) -> Result<bool, WriteError> {
    match store {
        Store::Sqlite(store) => {
            let builds = sqlx::query("SELECT 1 FROM builds WHERE state <> 'kept' AND fingerprint = ?")
                .bind(fingerprint.as_str());
            let build = builds.fetch_optional(store.pool()).await.map_err(|error| store.error(error))?;
            Ok(build.is_some())
        }
        Store::Qdrant(store) => {
            let builds = store.builds().await?;
            Ok(builds
                .iter()
                .any(|(role, state)| *role != Role::Kept && state.build.fingerprint == *fingerprint))
        }
    }
}

async fn mend_file(
    store: &SqliteStore,
    findings: &Findings,
) -> Result<Vec<(SourceName, Option<String>)>, WriteError> {
    let mut db = store.pool().begin().await.map_err(|error| store.error(error))?;
    let origins = try_mend(&mut db, findings).await.map_err(|error| store.error(error))?;
    db.commit().await.map_err(|error| store.error(error))?;
    Ok(origins)
}

/// Restores the whole ledger from the index; returns how many documents it knows.
pub async fn rebuild_ledger(store: &Store) -> Result<u64, WriteError> {
    match store {
        Store::Sqlite(store) => ledger::rebuild_all(store.pool()).await.map_err(|error| store.error(error)),
        Store::Qdrant(store) => qdrant::rebuild_ledger(store).await,
    }
}

async fn try_mend(
    db: &mut SqliteConnection,
    findings: &Findings,
) -> Result<Vec<(SourceName, Option<String>)>, sqlx::Error> {
    delete_orphans(db).await?;
    let has = |kind: Kind| findings.differences.iter().any(|difference| difference.kind == kind);
    let builds =
        sqlx::query("SELECT build, fingerprint, embedder, dimensions FROM builds WHERE state <> 'kept'")
            .fetch_all(&mut *db)
            .await?;
    let mut again: BTreeSet<SourceName> = BTreeSet::new();
    for row in builds {
        let build: i64 = row.try_get("build")?;
        let fingerprint = Fingerprint::from_stored(row.try_get::<String, _>("fingerprint")?);
        if has(Kind::FullText) {
            rebuild_full_text(db, build).await?;
        }
        if has(Kind::Ledger) {
            for head in read::read_heads(db, build).await? {
                ledger::rebuild(db, &fingerprint, build, &head.source).await?;
            }
        }
        if has(Kind::Head) {
            recount(db, build).await?;
        }
        if let (true, Some(embedder)) = (has(Kind::Vector), row.try_get::<Option<String>, _>("embedder")?) {
            vectors::forget_damaged(db, &embedder, row.try_get("dimensions")?).await?;
        }
        for difference in &findings.differences {
            let (Some(source), Some(path)) = (&difference.source, &difference.path) else { continue };
            if matches!(difference.kind, Kind::Document | Kind::Vector) {
                mark(db, &fingerprint, difference, source, path).await?;
                again.insert(source.clone());
            }
        }
    }
    let mut origins = Vec::new();
    for source in again {
        let origin = ledger::origin(db, &source).await?;
        origins.push((source, origin));
    }
    Ok(origins)
}

/// Deletes what no published document owns.
async fn delete_orphans(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let staged = "SELECT d.document FROM documents d LEFT JOIN heads h USING (build, source) \
                  WHERE d.generation > coalesce(h.generation, 0)";
    for statement in [
        format!("DELETE FROM chunks WHERE document IN ({staged})"),
        format!("DELETE FROM documents WHERE document IN ({staged})"),
        "DELETE FROM chunks WHERE document NOT IN (SELECT document FROM documents)".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *db).await?;
    }
    let builds: Vec<i64> = sqlx::query_scalar("SELECT build FROM builds").fetch_all(&mut *db).await?;
    for build in builds {
        let rows = format!(
            "DELETE FROM fts_{build} WHERE rowid IN \
             (SELECT id FROM fts_{build}_docsize WHERE id NOT IN (SELECT chunk FROM chunks))"
        );
        sqlx::query(AssertSqlSafe(rows)).execute(&mut *db).await?;
    }
    Ok(())
}

/// Makes the full-text table of a build again from its chunks.
async fn rebuild_full_text(db: &mut SqliteConnection, build: i64) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS fts_{build}"))).execute(&mut *db).await?;
    crate::store::sqlite::builds::create_full_text(db, build).await?;
    let documents: Vec<(i64, Option<String>)> =
        sqlx::query_as("SELECT document, title FROM documents WHERE build = ?")
            .bind(build)
            .fetch_all(&mut *db)
            .await?;
    for (document, title) in documents {
        let rows = sqlx::query("SELECT * FROM chunks WHERE document = ? ORDER BY ordinal")
            .bind(document)
            .fetch_all(&mut *db)
            .await?;
        for row in rows {
            let chunk = read::chunk(&row)?;
            let [title, headings, body] = analyse::fields(title.as_deref(), &chunk);
            let insert =
                format!("INSERT INTO fts_{build} (rowid, title, headings, body) VALUES (?, ?, ?, ?)");
            sqlx::query(AssertSqlSafe(insert))
                .bind(row.try_get::<i64, _>("chunk")?)
                .bind(title)
                .bind(headings)
                .bind(body)
                .execute(&mut *db)
                .await?;
        }
    }
    Ok(())
}

async fn recount(db: &mut SqliteConnection, build: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE heads SET \
           documents = (SELECT count(*) FROM documents d WHERE d.build = heads.build AND d.source = heads.source), \
           chunks = (SELECT count(*) FROM chunks c JOIN documents d USING (document) \
                     WHERE d.build = heads.build AND d.source = heads.source) \
         WHERE build = ?",
    )
    .bind(build)
    .execute(db)
    .await
    .map(drop)
}

/// Lets the next sync find the document changed.
async fn mark(
    db: &mut SqliteConnection,
    fingerprint: &lectern_index::fingerprint::Fingerprint,
    difference: &Difference,
    source: &SourceName,
    path: &str,
) -> Result<(), sqlx::Error> {
    tracing::debug!(%source, path, detail = difference.detail, "to be indexed again");
    ledger::forget_content(db, fingerprint.as_str(), source.as_str(), path).await
}
