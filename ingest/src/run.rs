//! `sync`: opens the index, takes the lock, brings every source up to date, reports.

use std::io::IsTerminal;

use chrono::{SecondsFormat, Utc};
use futures::StreamExt;
use lectern_index::config::Config;
use lectern_index::document::SourceName;
use lectern_index::fingerprint::{ChunkSettings, Fingerprint};
use lectern_index::open::Location;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::history;
use crate::lock::Lock;
use crate::progress::Progress;
use crate::report::Report;
use crate::store::BuildSpec;
use crate::store::sqlite::SqliteStore;
use crate::sync::{Sync, Target};
use crate::target;

/// What decides the whole index under these settings.
pub fn spec(config: &Config, required: Option<Vec<SourceName>>) -> BuildSpec {
    let chunk = ChunkSettings {
        max_tokens: config.chunk.max_tokens,
        overlap_tokens: config.chunk.overlap_tokens,
        tokenizer: "cl100k_base".into(),
    };
    BuildSpec { fingerprint: Fingerprint::of(None, &chunk), embedder: None, chunk, required }
}

/// Runs `sync` and says how it ended. Every failure is in the report.
pub async fn sync(config: &Config, options: &cli::Sync) -> Report {
    let mut report = Report::begin(options.dry_run);
    if let Err(failure) = try_sync(config, options, &mut report).await {
        report.exit_code = failure.exit;
        report.error = Some(failure.message);
    } else {
        report.exit_code = report.of_sources();
    }
    report
}

async fn try_sync(config: &Config, options: &cli::Sync, report: &mut Report) -> Result<(), Failure> {
    let targets = target::targets(config, &options.targets)?;
    let Location::Sqlite(path) = Location::parse(&config.index.url).map_err(Failure::usage)?;
    let (_lock, store) = if options.dry_run {
        (None, SqliteStore::open_dry(&path).await?)
    } else {
        (Some(Lock::take(&path)?), SqliteStore::open(&path).await?)
    };
    sync_all(config, options, &store, &targets, report).await;
    store.close().await;
    Ok(())
}

/// Brings every target up to date, several at a time; what went wrong is in the report, and stops no
/// other source.
pub async fn sync_all(
    config: &Config,
    options: &cli::Sync,
    store: &SqliteStore,
    targets: &[Target],
    report: &mut Report,
) {
    let sync = Sync {
        store,
        spec: spec(config, required(config, options)),
        settings: config.sync.clone(),
        dry_run: options.dry_run,
        allow_mass_delete: options.allow_mass_delete,
        run_id: report.run_id.clone(),
        progress: Progress::new(options.quiet),
    };
    let runs = futures::stream::iter(targets).map(|target| one(&sync, target, store));
    // Reported in the order they were named, whichever ends first.
    report.sources = runs.buffered(config.sync.concurrent_sources).collect().await;
}

/// Brings one target up to date and records the run.
pub async fn one(sync: &Sync<'_>, target: &Target, store: &SqliteStore) -> crate::report::SourceReport {
    let started = now();
    let mut done = sync.source(target).await;
    if !sync.dry_run
        && let Err(error) = history::record(store.pool(), &done, &started, &now()).await
        && done.exit_code != Exit::IndexDown
    {
        // What was published stays; but a history with a hole would claim that nothing happened.
        done.error = Some(store.error(error).to_string());
        done.exit_code = Exit::IndexDown;
    }
    done
}

/// The sources a new build must hold: all configured ones, where this run takes its sources from
/// the configuration.
fn required(config: &Config, options: &cli::Sync) -> Option<Vec<SourceName>> {
    options.targets.is_empty().then(|| config.source.iter().map(|source| source.name.clone()).collect())
}

/// Whether text on stdout may be coloured: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Now (RFC 3339, UTC).
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
