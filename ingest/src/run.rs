//! `sync`: opens the index, takes the lock, brings every source up to date, reports.

use std::io::IsTerminal;
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use futures::StreamExt;
use lectern_index::config::Config;
use lectern_index::document::SourceName;
use lectern_index::embed::Embedder;
use lectern_index::embed::configured::configured;
use lectern_index::fingerprint::{ChunkSettings, Fingerprint};

use crate::cli;
use crate::cost::Cost;
use crate::embed::Embedding;
use crate::exit::{Exit, Failure};
use crate::history;
use crate::progress::Progress;
use crate::report::Report;
use crate::store::BuildSpec;
use crate::store::open::{Access, Place, Store};
use crate::store::sqlite::SqliteStore;
use crate::summary::Summaries;
use crate::sync::{Sync, Target};
use crate::target;

/// The embedder that is configured; `None` in lexical mode.
pub fn embedder(config: &Config) -> Result<Option<Arc<dyn Embedder>>, Failure> {
    configured(&config.embedding, |name| std::env::var(name).ok()).map_err(Failure::usage)
}

/// What embeds into `store`. Fails where something is missing that nothing can be embedded without.
pub fn embedding(
    config: &Config,
    embedder: &Option<Arc<dyn Embedder>>,
    store: &Store,
    cost: Arc<Cost>,
    dry_run: bool,
) -> Result<Option<Embedding>, Failure> {
    let Some(embedder) = embedder else { return Ok(None) };
    if let Some(lacking) = embedder.lacking()
        && !dry_run
    {
        return Err(Failure::usage(lacking));
    }
    Embedding::new(Arc::clone(embedder), store.ledger().cache(), &config.embedding, cost).map(Some)
}

/// What decides the whole index under these settings.
pub fn spec(
    config: &Config,
    embedder: Option<&dyn Embedder>,
    required: Option<Vec<SourceName>>,
) -> BuildSpec {
    let most = embedder.map_or(u32::MAX, |embedder| embedder.limits().input_tokens as u32);
    let chunk = ChunkSettings {
        max_tokens: config.chunk.max_tokens.min(most),
        overlap_tokens: config.chunk.overlap_tokens.min(most / 2),
        tokenizer: embedder.map_or("cl100k_base", |embedder| embedder.tokenizer().name()).into(),
    };
    let embedder = embedder.map(|embedder| (embedder.id().clone(), embedder.dimensions()));
    let fingerprint = Fingerprint::of(embedder.as_ref().map(|(id, _)| id), &chunk);
    BuildSpec { fingerprint, embedder, chunk, required, fresh: true, held: config.sync.canary.is_some() }
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
    let embedder = embedder(config)?;
    let access = if options.dry_run { Access::DryRun } else { Access::Make };
    let sync = async |store: &Store| sync_all(config, options, &embedder, store, &targets, report).await;
    Place::of(config)?.with(access, sync).await
}

/// Brings every target up to date, several at a time; what went wrong is in the report, and stops no
/// other source. Fails where no source can be begun at all.
pub async fn sync_all(
    config: &Config,
    options: &cli::Sync,
    embedder: &Option<Arc<dyn Embedder>>,
    store: &Store,
    targets: &[Target],
    report: &mut Report,
) -> Result<(), Failure> {
    let cost = Arc::new(Cost::new(config));
    let embedding = embedding(config, embedder, store, cost.clone(), options.dry_run)?;
    let summaries = Summaries::configured(config, store.ledger().cache(), cost, options.dry_run)?;
    let sync = Sync {
        store: store.writer(),
        spec: spec(config, embedder.as_deref(), required(config, options)),
        embedding: embedding.as_ref(),
        cache: store.ledger().cache(),
        summaries: summaries.as_ref(),
        settings: config.sync.clone(),
        dry_run: options.dry_run,
        allow_mass_delete: options.allow_mass_delete,
        run_id: report.run_id.clone(),
        progress: Progress::new(options.quiet),
    };
    let runs = futures::stream::iter(targets).map(|target| one(&sync, target, store.ledger()));
    // Reported in the order they were named, whichever ends first.
    report.sources = runs.buffered(config.sync.concurrent_sources).collect().await;
    Ok(())
}

/// Brings one target up to date and records the run.
pub async fn one(sync: &Sync<'_>, target: &Target, ledger: &SqliteStore) -> crate::report::SourceReport {
    let started = now();
    let mut done = sync.source(target).await;
    if !sync.dry_run
        && let Err(error) = history::record(ledger.pool(), &done, &started, &now()).await
        && done.exit_code != Exit::IndexDown
    {
        // What was published stays; but a history with a hole would claim that nothing happened.
        done.error = Some(ledger.error(error).to_string());
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
