//! `status`: what is indexed, from where, how old it is, and how the last runs went.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use lectern_index::config::{Config, Schedule};
use lectern_index::document::SourceName;
use lectern_index::head::Head;
use lectern_index::search::Mode;
use serde::Serialize;
use sqlx::{Row, SqlitePool};

use crate::history::{self, Run};
use crate::schedule;

/// Runs shown of each source.
const RUNS: usize = 5;

/// Runs that decide when a failed one is tried again: after so many the wait grows no more.
const TELLING: i64 = 32;

/// The state of an index.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Where it is.
    pub index: String,
    /// How it can be searched; `null` while nothing is published.
    pub mode: Option<Mode>,
    /// The builds it holds.
    pub builds: Vec<Build>,
    /// The sources that are served.
    pub sources: Vec<Source>,
}

/// A build.
#[derive(Debug, Serialize)]
pub struct Build {
    /// What decides it.
    pub fingerprint: String,
    /// `serving`, `filling` or `kept`.
    pub state: String,
    /// Its embedder; `null` in lexical mode.
    pub embedder: Option<String>,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// Sources that are published in it.
    pub sources: i64,
    /// Documents that are published in it.
    pub documents: i64,
    /// Vectors of its embedder: while it is filled, how far that is; 0 in lexical mode.
    pub vectors: i64,
}

/// A source that is served.
#[derive(Debug, Serialize)]
pub struct Source {
    /// Its head.
    #[serde(flatten)]
    pub head: Head,
    /// Documents that could not be indexed when last tried.
    pub failures: Vec<crate::source::Problem>,
    /// When the daemon syncs it next, if one runs; `null` for sources that are not configured.
    pub next_run: Option<String>,
    /// Its last runs, newest first.
    pub runs: Vec<Run>,
}

/// Reads the state of the index that `pool` has open.
pub async fn read(pool: &SqlitePool, index: String, config: &Config) -> Result<Status, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT b.*, count(h.source) AS sources, coalesce(sum(h.documents), 0) AS documents, \
         (SELECT count(*) FROM vectors v WHERE v.embedder = b.embedder) AS vectors \
         FROM builds b LEFT JOIN heads h USING (build) GROUP BY b.build ORDER BY b.build",
    )
    .fetch_all(pool)
    .await?;
    let mut status = Status { index, mode: None, builds: Vec::new(), sources: Vec::new() };
    let mut serving = None;
    for row in rows {
        let build = Build {
            fingerprint: row.try_get("fingerprint")?,
            state: row.try_get("state")?,
            embedder: row.try_get("embedder")?,
            created_at: row.try_get("created_at")?,
            sources: row.try_get("sources")?,
            documents: row.try_get("documents")?,
            vectors: row.try_get("vectors")?,
        };
        if build.state == "serving" {
            status.mode = Some(if build.embedder.is_some() { Mode::Hybrid } else { Mode::Lexical });
            serving = Some((row.try_get::<i64, _>("build")?, build.fingerprint.clone()));
        }
        status.builds.push(build);
    }
    let Some((build, fingerprint)) = serving else { return Ok(status) };
    let mut db = pool.acquire().await?;
    let heads = lectern_index::sqlite::read_heads(&mut db, build).await?;
    let fingerprint = lectern_index::fingerprint::Fingerprint::from_stored(fingerprint);
    let mut ledgers = Vec::new();
    for head in heads {
        let failures = crate::ledger::read(&mut db, &fingerprint, &head.source).await?.failed;
        ledgers.push((head, failures));
    }
    drop(db);
    for (head, failures) in ledgers {
        let mut runs = history::last(pool, &head.source, TELLING).await?;
        let next_run = next_run(config, &head.source, &runs);
        runs.truncate(RUNS);
        status.sources.push(Source { next_run, head, failures, runs });
    }
    Ok(status)
}

fn next_run(config: &Config, source: &SourceName, runs: &[Run]) -> Option<String> {
    let settings = config.source.iter().find(|settings| settings.name == *source)?;
    let schedule: Schedule = settings.schedule.as_ref().unwrap_or(&config.daemon.schedule).parse().ok()?;
    let retry = history::retry(runs, Duration::from_secs(config.daemon.retry_seconds));
    schedule::next_run(&schedule, retry, Utc::now()).map(|due| due.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Status {
    /// The state for a person.
    pub fn to_text(&self, colour: bool) -> String {
        let mode = match self.mode {
            None => "nothing is published yet: run `lectern-ingest sync FOLDER`".to_owned(),
            Some(Mode::Lexical) => "lexical".to_owned(),
            Some(Mode::Hybrid) => {
                let serving = self.builds.iter().find(|build| build.state == "serving");
                format!("hybrid, {}", serving.and_then(|build| build.embedder.as_deref()).unwrap_or_default())
            }
        };
        let mut text = format!("index {}\nmode  {mode}\n", self.index);
        for build in self.builds.iter().filter(|build| build.state != "serving") {
            text.push_str(&format!(
                "build {} is {}: {} sources, {} documents",
                build.fingerprint, build.state, build.sources, build.documents
            ));
            if let Some(embedder) = &build.embedder {
                text.push_str(&format!(", {} vectors of {embedder}", build.vectors));
            }
            text.push('\n');
        }
        if self.sources.is_empty() {
            return text;
        }
        if self.builds.iter().any(|build| build.state == "filling") {
            text.push_str("what is served stays at the state below until the new build is complete\n");
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        let columns = [
            "source",
            "documents",
            "chunks",
            "generation",
            "commit",
            "indexed",
            "checked",
            "failed",
            "last run",
            "next run",
        ];
        table.set_header(columns.map(|name| {
            let cell = Cell::new(name);
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for Source { head, failures, next_run, runs } in &self.sources {
            let commit = head.commit.as_deref().map_or("-", |commit| commit.get(..8).unwrap_or(commit));
            let last = runs.first().map_or("-".to_owned(), |run| match run.exit_code {
                0 => "ok".to_owned(),
                code => format!("exit {code}"),
            });
            table.add_row([
                head.source.to_string(),
                head.documents.to_string(),
                head.chunks.to_string(),
                head.generation.to_string(),
                commit.to_owned(),
                head.indexed_at.clone(),
                head.checked_at.clone(),
                failures.len().to_string(),
                last,
                next_run.clone().unwrap_or_else(|| "-".into()),
            ]);
        }
        text.push_str(&format!("{table}\n"));
        text
    }
}
