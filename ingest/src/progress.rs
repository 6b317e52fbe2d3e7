//! Progress of long work: bars on a terminal, log lines elsewhere; always on stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lectern_index::document::SourceName;

use crate::cost::Used;
use crate::report;
use crate::source::Source;

/// How often the log says how far embedding is.
const PAUSE: Duration = Duration::from_secs(10);

/// Where progress goes.
pub enum Progress {
    /// Bars, one per source.
    Bars(MultiProgress),
    /// Log lines.
    Lines,
    /// Nowhere.
    Quiet,
}

impl Progress {
    /// Bars on a terminal, else log lines; nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if std::io::stderr().is_terminal() {
            Self::Bars(MultiProgress::new())
        } else {
            Self::Lines
        }
    }

    /// Progress of one source.
    pub fn source(&self, name: &SourceName) -> SourceProgress {
        let bar = match self {
            Self::Bars(bars) => {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(spinner());
                bar.set_prefix(name.to_string());
                bar.enable_steady_tick(Duration::from_millis(120));
                Some(bar)
            }
            _ => None,
        };
        SourceProgress {
            name: name.to_string(),
            bar,
            log: matches!(self, Self::Lines),
            embedding: Mutex::default(),
            summaries: Mutex::default(),
            said: Mutex::new(Instant::now()),
        }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counted() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix}  {msg} {wide_bar} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Progress of one source. Dropping it removes its bar.
pub struct SourceProgress {
    name: String,
    bar: Option<ProgressBar>,
    log: bool,
    embedding: Mutex<report::Embedding>,
    summaries: Mutex<Option<report::Summarised>>,
    /// When the log last spoke of embedding.
    said: Mutex<Instant>,
}

impl SourceProgress {
    /// Says what is being done, without a known end.
    pub fn doing(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None if self.log => tracing::info!(source = self.name, "{what}"),
            None => {}
        }
    }

    /// Says what is being done to `total` documents.
    pub fn begin(&self, what: &str, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_style(counted());
            bar.set_length(total);
            bar.set_position(0);
        }
        if self.log {
            tracing::info!(source = self.name, documents = total, "{what}");
        } else {
            self.doing(what);
        }
    }

    /// Does `work`; while `source` waits for its service, the bar says so instead of `what`.
    pub async fn during<T>(&self, source: &dyn Source, what: &str, work: impl Future<Output = T>) -> T {
        let Some(bar) = &self.bar else { return work.await };
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => {
                    bar.set_message(what.to_owned());
                    return done;
                }
                _ = ticks.tick() => {
                    let waiting = source.usage().and_then(|usage| usage.waiting);
                    bar.set_message(waiting.unwrap_or_else(|| what.to_owned()));
                }
            }
        }
    }

    /// Counts what embedding takes.
    pub fn used(&self, count: impl FnOnce(&mut report::Embedding)) {
        if let Ok(mut embedding) = self.embedding.lock() {
            count(&mut embedding);
        }
    }

    /// Counts a request for a summary, and whether it was `written`.
    pub fn summarised(&self, used: Used, written: bool, priced: bool) {
        if let Ok(mut all) = self.summaries.lock() {
            let all = all.get_or_insert_default();
            all.requests += 1;
            all.written += u64::from(written);
            all.tokens += used.tokens;
            if priced {
                *all.cost_usd.get_or_insert(0.0) += used.usd;
            }
        }
    }

    /// What writing summaries took until now; `None` where none was asked for.
    pub fn summaries(&self) -> Option<report::Summarised> {
        self.summaries.lock().map(|all| all.clone()).unwrap_or_default()
    }

    /// What embedding took until now.
    pub fn embedding(&self) -> report::Embedding {
        self.embedding.lock().map(|embedding| embedding.clone()).unwrap_or_default()
    }

    /// Says what the run has spent on embedding.
    pub fn spent(&self, spent: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("embedding ({spent})"));
        } else if self.log
            && let Ok(mut said) = self.said.lock()
            && said.elapsed() >= PAUSE
        {
            *said = Instant::now();
            tracing::info!(source = self.name, "embedding: {spent} so far");
        }
    }

    /// Counts documents that are done.
    pub fn advance(&self, documents: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(documents);
        }
    }
}

impl Drop for SourceProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
