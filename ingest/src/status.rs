//! `status`: what is indexed, from where, how old it is, and how the last runs went.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use lectern_index::config::{Config, Schedule};
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::head::Head;
use lectern_index::qdrant::State;
use lectern_index::search::Mode;
use serde::Serialize;
use sqlx::{Row, SqlitePool};

use crate::history::{self, Run};
use crate::schedule;
use crate::store::WriteError;
use crate::store::open::Store;
use crate::store::qdrant::{QdrantStore, Role};

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

/// What an index holds: its builds and, of the one that is served, the heads.
struct Held {
    builds: Vec<Build>,
    serving: Option<(Fingerprint, Vec<Head>)>,
}

/// Reads the state of an index.
pub async fn read(store: &Store, index: String, config: &Config) -> Result<Status, WriteError> {
    let ledger = store.ledger();
    let mut held = match store {
        Store::Sqlite(store) => of_file(store.pool()).await.map_err(|error| store.error(error))?,
        Store::Qdrant(store) => of_qdrant(store).await?,
    };
    for build in &mut held.builds {
        let count =
            sqlx::query_scalar("SELECT count(*) FROM vectors WHERE embedder = ?").bind(&build.embedder);
        build.vectors = count.fetch_one(ledger.pool()).await.map_err(|error| ledger.error(error))?;
    }
    let mode = held.builds.iter().find(|build| build.state == "serving").map(|build| match build.embedder {
        Some(_) => Mode::Hybrid,
        None => Mode::Lexical,
    });
    let mut status = Status { index, mode, builds: held.builds, sources: Vec::new() };
    let Some((fingerprint, heads)) = held.serving else { return Ok(status) };
    for head in heads {
        let source = source(ledger.pool(), &fingerprint, head, config).await;
        status.sources.push(source.map_err(|error| ledger.error(error))?);
    }
    Ok(status)
}

async fn of_file(pool: &SqlitePool) -> Result<Held, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT b.*, count(h.source) AS sources, coalesce(sum(h.documents), 0) AS documents \
         FROM builds b LEFT JOIN heads h USING (build) GROUP BY b.build ORDER BY b.build",
    )
    .fetch_all(pool)
    .await?;
    let mut held = Held { builds: Vec::new(), serving: None };
    for row in rows {
        let build = Build {
            fingerprint: row.try_get("fingerprint")?,
            state: row.try_get("state")?,
            embedder: row.try_get("embedder")?,
            created_at: row.try_get("created_at")?,
            sources: row.try_get("sources")?,
            documents: row.try_get("documents")?,
            vectors: 0,
        };
        if build.state == "serving" {
            let mut db = pool.acquire().await?;
            let heads = lectern_index::sqlite::read_heads(&mut db, row.try_get("build")?).await?;
            held.serving = Some((Fingerprint::from_stored(build.fingerprint.as_str()), heads));
        }
        held.builds.push(build);
    }
    Ok(held)
}

async fn of_qdrant(store: &QdrantStore) -> Result<Held, WriteError> {
    let mut held = Held { builds: Vec::new(), serving: None };
    for (role, State { build, heads }) in store.builds().await? {
        let state = match role {
            Role::Serving => "serving",
            Role::Kept => "kept",
            Role::Filling => "filling",
        };
        held.builds.push(Build {
            fingerprint: build.fingerprint.to_string(),
            state: state.into(),
            embedder: build.embedder.map(|embedder| embedder.as_str().to_owned()),
            created_at: build.created_at,
            sources: heads.len() as i64,
            documents: heads.iter().map(|head| head.documents as i64).sum(),
            vectors: 0,
        });
        if state == "serving" {
            held.serving = Some((build.fingerprint, heads));
        }
    }
    Ok(held)
}

async fn source(
    pool: &SqlitePool,
    fingerprint: &Fingerprint,
    head: Head,
    config: &Config,
) -> Result<Source, sqlx::Error> {
    let mut db = pool.acquire().await?;
    let failures = crate::ledger::read(&mut db, fingerprint, &head.source).await?.failed;
    drop(db);
    let mut runs = history::last(pool, &head.source, TELLING).await?;
    let next_run = next_run(config, &head.source, &runs);
    runs.truncate(RUNS);
    Ok(Source { next_run, head, failures, runs })
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
