//! `daemon`: every source on its schedule.
//!
//! tokio-cron-scheduler says when; what it lacks is here: a source that is still running is not
//! started again (ticks coalesce), sources share one open index, and SIGTERM lets a running
//! publish finish or abandons it whole.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lectern_index::config::{Config, Schedule, SourceSettings};
use lectern_index::embed::Embedder;
use lectern_index::sqlite::SCHEMA;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::cost::Cost;
use crate::daemon::state::{Shared, State};
use crate::embed::Embedding;
use crate::exit::{Exit, Failure};
use crate::lock::Lock;
use crate::progress::Progress;
use crate::report::{Report, SourceReport};
use crate::schedule::jitter;
use crate::store::open::{Access, Place, Store};
use crate::store::sqlite::SqliteStore;
use crate::summary::Summaries;
use crate::sync::Sync;
use crate::{history, run, schedule, signal, target};

mod health;
mod state;
mod webhook;

/// How long to wait where another process syncs: that is no failure, and over soon.
const ANOTHER_LOOK: Duration = Duration::from_secs(5);

/// What all sources of a daemon share.
struct Daemon {
    config: Config,
    embedder: Option<Arc<dyn Embedder>>,
    /// The index while at least one source syncs.
    open: Mutex<Weak<Open>>,
    /// How many sources may sync at once.
    turns: Semaphore,
    states: Shared,
    stop: CancellationToken,
}

/// Runs until SIGTERM or SIGINT.
pub async fn daemon(config: Config) -> Result<Exit, Failure> {
    if config.source.is_empty() {
        return Err(Failure::usage("there is nothing to sync: add a [[source]] to lectern.toml"));
    }
    let mut plans = Vec::new();
    for settings in &config.source {
        let text = settings.schedule.as_deref().unwrap_or(&config.daemon.schedule);
        let schedule: Schedule =
            text.parse().map_err(|error| Failure::usage(format!("source {}: {error}", settings.name)))?;
        // Fails now rather than at the first tick, where the settings cannot be used.
        target::configured(settings, &config)?;
        plans.push((settings.clone(), schedule, text.to_owned()));
    }
    let states = states(&config, &plans).await?;
    let listener = health::bind(&config.daemon.listen).await?;
    let stop = CancellationToken::new();
    let embedder = run::embedder(&config)?;
    if let Some(lacking) = embedder.as_ref().and_then(|embedder| embedder.lacking()) {
        return Err(Failure::usage(lacking));
    }
    let daemon = Arc::new(Daemon {
        embedder,
        open: Mutex::new(Weak::new()),
        turns: Semaphore::new(config.sync.concurrent_sources),
        states: states.clone(),
        stop: stop.clone(),
        config,
    });

    let scheduler = JobScheduler::new().await.map_err(Failure::usage)?;
    let mut workers = JoinSet::new();
    for (settings, schedule, text) in plans {
        let tick = Arc::new(Notify::new());
        let due = tick.clone();
        let job = Job::new(text.as_str(), move |_, _| due.notify_one()).map_err(Failure::usage)?;
        scheduler.add(job).await.map_err(Failure::usage)?;
        if schedule::missed(&schedule, states.last_run(&settings.name), Utc::now()) {
            tick.notify_one();
        }
        workers.spawn(worker(daemon.clone(), settings, tick));
    }
    scheduler.start().await.map_err(Failure::usage)?;
    let health = tokio::spawn(health::serve(listener, states, stop.clone()));

    let signal = signal::stopped().await;
    tracing::info!("{signal}: ending");
    stop.cancel();
    while workers.join_next().await.is_some() {}
    let _ = health.await;
    Ok(Exit::Done)
}

/// What the ledger tells of earlier runs.
async fn states(config: &Config, plans: &[(SourceSettings, Schedule, String)]) -> Result<Shared, Failure> {
    let path = Place::of(config)?.file();
    let schema = SqliteStore::schema_of(&path).await?;
    // Readers of this version wait for its schema, and what is due next may be an hour away.
    if schema.is_some_and(|schema| schema < SCHEMA) {
        let _lock = Lock::take(&path)?;
        SqliteStore::open(&path).await?.close().await;
    }
    let store = if schema.is_some() { Some(SqliteStore::open_read(&path).await?) } else { None };
    let mut states = Vec::new();
    for (settings, schedule, _) in plans {
        let mut state = State::new(schedule.clone(), Utc::now());
        if let Some(store) = &store {
            let runs =
                history::last(store.pool(), &settings.name, 100).await.map_err(|error| store.error(error))?;
            state.last_run = runs.first().and_then(history::Run::finished);
            let published = runs.iter().find(|run| Exit::is_published(run.exit_code));
            state.last_success = published.and_then(history::Run::finished);
            state.well = runs.first().is_none_or(|run| run.exit_code == 0);
            state.failures = history::failures(&runs);
            state.retry = history::retry(&runs, Duration::from_secs(config.daemon.retry_seconds));
        }
        states.push((settings.name.clone(), state));
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(Shared::new(states))
}

/// One source: waits until it is due, syncs it, tries again after a failure.
async fn worker(daemon: Arc<Daemon>, settings: SourceSettings, tick: Arc<Notify>) {
    let seconds = Duration::from_secs;
    let mut waiting = false;
    loop {
        let retry = daemon.states.retry(&settings.name);
        tokio::select! {
            () = daemon.stop.cancelled() => return,
            () = tick.notified() => {
                tokio::select! {
                    () = daemon.stop.cancelled() => return,
                    () = tokio::time::sleep(jitter(seconds(daemon.config.daemon.jitter_seconds))) => {}
                }
            }
            () = until(retry), if retry.is_some() => {}
        }
        let turn = tokio::select! {
            () = daemon.stop.cancelled() => return,
            turn = daemon.turns.acquire() => turn,
        };
        let grace = seconds(daemon.config.daemon.shutdown_grace_seconds);
        let report = tokio::select! {
            report = sync(&daemon, &settings) => report,
            () = async { daemon.stop.cancelled().await; tokio::time::sleep(grace).await } => {
                tracing::warn!(source = %settings.name, "the sync did not end within shutdown_grace_seconds and is abandoned: nothing of it is published");
                return;
            }
        };
        drop(turn);
        if report.exit_code == Exit::Locked {
            if !std::mem::replace(&mut waiting, true) {
                tracing::info!(source = %settings.name, "another lectern-ingest is writing the index: waiting for it");
            }
            daemon.states.locked(&settings.name, Utc::now() + ANOTHER_LOOK);
            continue;
        }
        waiting = false;
        let first = seconds(daemon.config.daemon.retry_seconds);
        let change = daemon.states.finished(&settings.name, &report, Utc::now(), first);
        match report.exit_code {
            Exit::Done => {
                tracing::info!(source = %settings.name, documents = report.documents.total, generation = report.generation, "synced")
            }
            code => {
                tracing::error!(source = %settings.name, code = code.code(), error = report.error, failed = report.documents.failed, "sync failed")
            }
        }
        webhook::tell(daemon.config.daemon.webhook_url.as_deref(), &change, &report).await;
    }
}

/// One sync of one source.
async fn sync(daemon: &Daemon, settings: &SourceSettings) -> SourceReport {
    let run_id = Report::begin(false).run_id;
    let failed = match try_sync(daemon, settings, &run_id).await {
        Ok(done) => return done,
        Err(failure) => failure,
    };
    let mut done = SourceReport::new(&run_id, settings.name.clone(), lectern_index::search::Mode::Lexical);
    done.exit_code = failed.exit;
    done.error = Some(failed.message);
    done
}

async fn try_sync(daemon: &Daemon, settings: &SourceSettings, run_id: &str) -> Result<SourceReport, Failure> {
    let config = &daemon.config;
    let target = target::configured(settings, config)?;
    let open = daemon.open().await?;
    let required = config.source.iter().map(|source| source.name.clone()).collect();
    let sync = Sync {
        store: open.store.writer(),
        spec: run::spec(config, daemon.embedder.as_deref(), Some(required)),
        embedding: open.embedding.as_ref(),
        cache: open.store.ledger().cache(),
        summaries: open.summaries.as_ref(),
        settings: config.sync.clone(),
        dry_run: false,
        allow_mass_delete: false,
        run_id: run_id.to_owned(),
        progress: Progress::Quiet,
    };
    let done = run::one(&sync, &target, open.store.ledger()).await;
    daemon.close(open).await;
    Ok(done)
}

/// The index, open for writing, under the lock that every process takes.
struct Open {
    store: Store,
    embedding: Option<Embedding>,
    summaries: Option<Summaries>,
    _lock: Option<Lock>,
}

impl Daemon {
    /// The index: opened by the first source that syncs, shared by those that join it. Between
    /// syncs it is closed and unlocked, so that commands can be run beside the daemon.
    async fn open(&self) -> Result<Arc<Open>, Failure> {
        let mut shared = self.open.lock().await;
        // Where another machine took over, the lock says so until those that still try have ended.
        if let Some(open) = shared.upgrade().filter(|open| !open.store.is_lost()) {
            return Ok(open);
        }
        let (store, lock) = Place::of(&self.config)?.open(Access::Make).await?;
        let cost = Arc::new(Cost::new(&self.config));
        let embedding = run::embedding(&self.config, &self.embedder, &store, cost.clone(), false);
        let made = embedding.and_then(|embedding| {
            let summaries = Summaries::configured(&self.config, store.ledger().cache(), cost, false)?;
            Ok((embedding, summaries))
        });
        let (embedding, summaries) = match made {
            Ok(made) => made,
            Err(failure) => {
                store.close().await;
                return Err(failure);
            }
        };
        let open = Arc::new(Open { store, embedding, summaries, _lock: lock });
        *shared = Arc::downgrade(&open);
        Ok(open)
    }

    /// Closes the index where nobody else syncs.
    async fn close(&self, open: Arc<Open>) {
        let _shared = self.open.lock().await;
        if let Some(open) = Arc::into_inner(open) {
            open.store.close().await;
        }
    }
}

/// Waits until `at`.
async fn until(at: Option<DateTime<Utc>>) {
    let wait = at.and_then(|at| (at - Utc::now()).to_std().ok());
    tokio::time::sleep(wait.unwrap_or_default()).await;
}
