//! What the daemon knows of its sources: for its health, its metrics and its webhook.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lectern_index::config::Schedule;
use lectern_index::document::SourceName;

use crate::exit::Exit;
use crate::report::SourceReport;
use crate::schedule::retry_after;
use crate::source::Usage;

/// What is known of one source.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// When it is due.
    pub(super) schedule: Schedule,
    /// When the daemon was started: before its first run a source is as fresh as that.
    pub(super) since: DateTime<Utc>,
    /// When a run last ended.
    pub(super) last_run: Option<DateTime<Utc>>,
    /// When a run last published what there was; documents that failed are no lack of freshness.
    pub(super) last_success: Option<DateTime<Utc>>,
    /// How the last run of this daemon ended.
    pub(super) last_exit: Option<Exit>,
    /// When a failed run is tried again.
    pub(super) retry: Option<DateTime<Utc>>,
    /// Runs that published nothing since the last one that did.
    pub(super) failures: u32,
    /// Whether the last run ended without any failure.
    pub(super) well: bool,
    /// Runs of this daemon by exit code.
    pub(super) runs: BTreeMap<u8, u64>,
    /// Documents and chunks that are published.
    pub(super) size: (u64, u64),
    /// How long the last run took.
    pub(super) duration_ms: u64,
    /// What the service behind the source still grants, as of the last run.
    pub(super) usage: Usage,
}

/// What a run changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// Runs in a row that published nothing.
    pub(super) failures: u32,
    /// What is worth telling somebody.
    pub(super) event: Option<&'static str>,
}

impl State {
    pub(super) fn new(schedule: Schedule, since: DateTime<Utc>) -> Self {
        Self {
            schedule,
            since,
            last_run: None,
            last_success: None,
            last_exit: None,
            retry: None,
            failures: 0,
            well: true,
            runs: BTreeMap::new(),
            size: (0, 0),
            duration_ms: 0,
            usage: Usage::default(),
        }
    }
}

/// The states of all sources, for whoever asks.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<BTreeMap<SourceName, State>>>);

impl Shared {
    pub(super) fn new(states: Vec<(SourceName, State)>) -> Self {
        Self(Arc::new(Mutex::new(states.into_iter().collect())))
    }

    /// The states now. They are counters and times: a panic elsewhere cannot have broken them.
    pub(super) fn read(&self) -> MutexGuard<'_, BTreeMap<SourceName, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_run(&self, source: &SourceName) -> Option<DateTime<Utc>> {
        self.read().get(source).and_then(|state| state.last_run)
    }

    /// When a failed run of the source is tried again.
    pub(super) fn retry(&self, source: &SourceName) -> Option<DateTime<Utc>> {
        self.read().get(source).and_then(|state| state.retry)
    }

    /// Takes note of a run that did not begin, since another process syncs: it is tried again at `retry`.
    pub(super) fn locked(&self, source: &SourceName, retry: DateTime<Utc>) {
        if let Some(state) = self.read().get_mut(source) {
            state.last_exit = Some(Exit::Locked);
            state.retry = Some(retry);
        }
    }

    /// Takes note of a run that ended; says what is worth telling: every run that
    /// published nothing, the first of those in which documents failed, and the first that is well
    /// again. A run that failed is tried again, after `first` at first.
    pub(super) fn finished(
        &self,
        source: &SourceName,
        report: &SourceReport,
        now: DateTime<Utc>,
        first: Duration,
    ) -> Change {
        let mut states = self.read();
        let Some(state) = states.get_mut(source) else { return Change { failures: 0, event: None } };
        let was_well = state.well;
        state.last_run = Some(now);
        state.last_exit = Some(report.exit_code);
        *state.runs.entry(report.exit_code.code()).or_default() += 1;
        state.duration_ms = report.duration_ms;
        if let Some(usage) = &report.usage {
            state.usage.clone_from(usage);
        }
        state.well = report.exit_code == Exit::Done;
        let code = report.exit_code.code();
        if Exit::is_published(code) {
            state.last_success = Some(now);
            state.failures = 0;
        } else {
            state.failures += 1;
        }
        state.retry = Exit::is_tried_again(code).then(|| now + retry_after(first, state.failures));
        let event = match report.exit_code {
            Exit::Done => (!was_well).then_some("recovered"),
            // Told once, not every hour until somebody mends a file.
            Exit::SomeFailed => was_well.then_some("failed"),
            _ => Some("failed"),
        };
        if report.generation > 0 {
            state.size = (report.documents.total, report.chunks.total);
        }
        Change { failures: state.failures, event }
    }
}
