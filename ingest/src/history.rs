//! Run history: what each sync of a source did, in the ledger.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lectern_index::document::SourceName;
use sqlx::SqlitePool;

use crate::exit::Exit;
use crate::report::SourceReport;
use crate::schedule::retry_after;

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

/// Runs in a row that published nothing, up to the newest, which is the first of `runs`.
pub fn failures(runs: &[Run]) -> u32 {
    runs.iter().take_while(|run| !Exit::is_published(run.exit_code)).count() as u32
}

/// When the daemon tries again after the last of `runs`, newest first, with `first` as its first
/// wait; `None` where it does not.
pub fn retry(runs: &[Run], first: Duration) -> Option<DateTime<Utc>> {
    let last = runs.first().filter(|run| Exit::is_tried_again(run.exit_code))?;
    Some(last.finished()? + retry_after(first, failures(runs)))
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

impl Run {
    /// When it ended.
    pub fn finished(&self) -> Option<DateTime<Utc>> {
        self.finished_at.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_tried_again_later_and_later() {
        let run = |exit_code: u8| Run {
            run_id: String::new(),
            started_at: "2026-06-10T00:00:00Z".into(),
            finished_at: "2026-06-10T00:01:00Z".into(),
            exit_code,
            report: serde_json::Value::Null,
        };
        let minute = Duration::from_secs(60);
        let after = |codes: &[u8]| {
            let runs: Vec<Run> = codes.iter().map(|code| run(*code)).collect();
            retry(&runs, minute).map(|at| at.format("%H:%M").to_string())
        };
        for (codes, at) in [
            (&[][..], None),
            (&[0], None),
            (&[3, 4], None),
            (&[6, 4], None),
            (&[4], Some("00:02")),
            (&[4, 5], Some("00:03")),
            (&[4, 6, 4, 0, 4], Some("00:05")),
        ] {
            assert_eq!(after(codes).as_deref(), at, "{codes:?}");
        }
    }
}
