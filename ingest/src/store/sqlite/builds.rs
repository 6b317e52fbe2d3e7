//! Builds: one index per fingerprint, of which one is served.

use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::rows::json;
use crate::store::BuildSpec;

/// The build of this fingerprint, made if it is new.
pub(super) async fn ensure_build(db: &mut SqliteConnection, spec: &BuildSpec) -> Result<i64, sqlx::Error> {
    if let Some(build) = find_build(db, &spec.fingerprint).await? {
        return Ok(build);
    }
    let build: i64 = sqlx::query_scalar(
        "INSERT INTO builds (fingerprint, state, embedder, dimensions, chunk, created_at, switched_at) \
         VALUES (?1, 'filling', ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
         RETURNING build",
    )
    .bind(spec.fingerprint.as_str())
    .bind(spec.embedder.as_ref().map(|(id, _)| id.as_str()))
    .bind(spec.embedder.as_ref().map(|(_, dimensions)| *dimensions))
    .bind(json(&spec.chunk)?)
    .fetch_one(&mut *db)
    .await?;
    create_full_text(db, build).await?;
    Ok(build)
}

/// The build of this fingerprint, if there is one.
pub(super) async fn find_build(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT build FROM builds WHERE fingerprint = ?")
        .bind(fingerprint.as_str())
        .fetch_optional(db)
        .await
}

/// Lets readers be served `build`, that of `spec`, once it holds every source it must, unless it is
/// held back from them; returns the ones it lacks.
pub(super) async fn switch(
    db: &mut SqliteConnection,
    build: i64,
    spec: &BuildSpec,
) -> Result<Vec<SourceName>, sqlx::Error> {
    let lacking = lacking(db, build, spec).await?;
    let held = spec.held && served(db).await?.is_some_and(|(served, _)| served != build);
    if lacking.is_empty() && !held {
        serve_build(db, build).await?;
    }
    Ok(lacking)
}

/// The build that is served, and its fingerprint.
pub(super) async fn served(db: &mut SqliteConnection) -> Result<Option<(i64, Fingerprint)>, sqlx::Error> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT build, fingerprint FROM builds WHERE state = 'serving'")
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(build, fingerprint)| (build, Fingerprint::from_stored(fingerprint))))
}

/// The sources that `build`, that of `spec`, must hold and does not, or not as new as they are served.
pub(super) async fn lacking(
    db: &mut SqliteConnection,
    build: i64,
    spec: &BuildSpec,
) -> Result<Vec<SourceName>, sqlx::Error> {
    // Without a list of its own the run must not lose a source that is served now.
    let required = spec.required.as_ref().map(json).transpose()?;
    let lacking: Vec<String> = sqlx::query_scalar(
        "SELECT h.source FROM heads h JOIN builds b USING (build) WHERE b.state = 'serving' AND b.build <> ?1 \
           AND (?2 IS NULL OR h.source IN (SELECT value FROM json_each(?2))) \
           AND NOT EXISTS (SELECT 1 FROM heads o WHERE o.build = ?1 AND o.source = h.source \
                           AND (NOT ?3 OR o.checked_at >= h.checked_at)) ORDER BY h.source",
    )
    .bind(build)
    .bind(required)
    .bind(spec.fresh)
    .fetch_all(&mut *db)
    .await?;
    Ok(lacking.iter().filter_map(|name| SourceName::parse(name).ok()).collect())
}

/// Makes `build` the one that is served; the one that was is kept.
pub(crate) async fn serve_build(db: &mut SqliteConnection, build: i64) -> Result<(), sqlx::Error> {
    for (state, condition) in
        [("kept", "state = 'serving' AND build <> ?1"), ("serving", "state <> 'serving' AND build = ?1")]
    {
        let update = format!(
            "UPDATE builds SET state = '{state}', switched_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE {condition}"
        );
        sqlx::query(AssertSqlSafe(update)).bind(build).execute(&mut *db).await?;
    }
    Ok(())
}

/// Makes the full-text table of a build.
pub(crate) async fn create_full_text(db: &mut SqliteConnection, build: i64) -> Result<(), sqlx::Error> {
    // The analyser has split, lower-cased and stemmed; the tokenizer must only split at spaces.
    let table = format!(
        "CREATE VIRTUAL TABLE fts_{build} USING fts5 \
         (title, headings, body, content = '', contentless_delete = 1, tokenize = 'ascii')"
    );
    sqlx::query(AssertSqlSafe(table)).execute(db).await.map(drop)
}
