//! Run history: what each sync of a source did, in the ledger.

use lectern_index::document::SourceName;
use sqlx::SqlitePool;

use crate::report::SourceReport;

/// Runs kept of each source.
const KEPT: i64 = 100;

/// Records a run of a source and forgets the oldest ones.
pub async fn record(
    pool: &SqlitePool,
    report: &SourceReport,
    started_at: &str,
    finished_at: &str,
) -> Result<(), sqlx::Error> {
    let json = serde_json::to_string(report).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("INSERT OR REPLACE INTO runs (run_id, source, started_at, finished_at, exit_code, report) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&report.run_id)
        .bind(report.source.as_str())
        .bind(started_at)
        .bind(finished_at)
        .bind(report.exit_code.code())
        .bind(json)
        .execute(pool)
        .await?;
    sqlx::query(
        "DELETE FROM runs WHERE source = ?1 AND run_id NOT IN \
         (SELECT run_id FROM runs WHERE source = ?1 ORDER BY run_id DESC LIMIT ?2)",
    )
    .bind(report.source.as_str())
    .bind(KEPT)
    .execute(pool)
    .await?;
    Ok(())
}

/// The newest runs of a source, newest first.
pub async fn last(pool: &SqlitePool, source: &SourceName, runs: i64) -> Result<Vec<Run>, sqlx::Error> {
    let rows: Vec<(String, String, String, u8, String)> = sqlx::query_as(
        "SELECT run_id, started_at, finished_at, exit_code, report FROM runs WHERE source = ? ORDER BY run_id DESC LIMIT ?",
    )
    .bind(source.as_str())
    .bind(runs)
    .fetch_all(pool)
    .await?;
    let run = |(run_id, started_at, finished_at, exit_code, report): (_, _, _, _, String)| Run {
        run_id,
        started_at,
        finished_at,
        exit_code,
        report: serde_json::from_str(&report).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(run).collect())
}

/// A recorded run.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Run {
    /// UUIDv7.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// How it ended.
    pub exit_code: u8,
    /// The source's report.
    pub report: serde_json::Value,
}
