//! Counts of what was asked and how long it took, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lectern_index::search::{ReadError, Status};

use crate::mcp::ToolName;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Ok,
    /// The arguments could not be used.
    Refused,
    /// The index could not be read.
    Failed,
    /// It took too long.
    TimedOut,
    /// The client went away.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Ok, Self::Refused, Self::Failed, Self::TimedOut, Self::Cancelled];

    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Upper ends of the buckets of the latency histogram, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The calls of one tool.
#[derive(Default)]
struct Calls {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Calls by the first bucket they fit in; the last is for those that fit in none.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

/// What has been counted since the start.
#[derive(Default)]
pub struct Metrics {
    tools: [Calls; ToolName::ALL.len()],
    unauthorized: AtomicU64,
}

impl Metrics {
    /// Counts a call.
    pub fn record(&self, tool: ToolName, outcome: Outcome, took: Duration) {
        let calls = &self.tools[tool as usize];
        let bucket = BUCKETS.iter().position(|end| took.as_secs_f64() <= *end).unwrap_or(BUCKETS.len());
        calls.outcomes[outcome as usize].fetch_add(1, Relaxed);
        calls.buckets[bucket].fetch_add(1, Relaxed);
        calls.microseconds.fetch_add(took.as_micros() as u64, Relaxed);
    }

    /// Counts a request without the right token.
    pub fn record_unauthorized(&self) {
        self.unauthorized.fetch_add(1, Relaxed);
    }

    /// Everything, with the state of the index at `now`.
    pub fn text(&self, status: &Result<Status, ReadError>, now: DateTime<Utc>) -> String {
        let mut out = String::new();
        head(&mut out, "lectern_build_info", "gauge", "Version of this server.");
        let _ = writeln!(out, "lectern_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        head(&mut out, "lectern_requests_total", "counter", "Tool calls by outcome.");
        for tool in ToolName::ALL {
            for outcome in Outcome::ALL {
                let count = self.tools[tool as usize].outcomes[outcome as usize].load(Relaxed);
                let (tool, outcome) = (tool.as_str(), outcome.as_str());
                let _ =
                    writeln!(out, "lectern_requests_total{{tool=\"{tool}\",outcome=\"{outcome}\"}} {count}");
            }
        }
        head(&mut out, "lectern_unauthorized_total", "counter", "Requests without the right token.");
        let _ = writeln!(out, "lectern_unauthorized_total {}", self.unauthorized.load(Relaxed));
        head(&mut out, "lectern_request_seconds", "histogram", "How long tool calls took.");
        for tool in ToolName::ALL {
            self.histogram(&mut out, tool);
        }
        index(&mut out, status, now);
        out
    }

    fn histogram(&self, out: &mut String, tool: ToolName) {
        let calls = &self.tools[tool as usize];
        let tool = tool.as_str();
        let mut count = 0;
        for (end, bucket) in BUCKETS.iter().map(f64::to_string).chain(["+Inf".into()]).zip(&calls.buckets) {
            count += bucket.load(Relaxed);
            let _ = writeln!(out, "lectern_request_seconds_bucket{{tool=\"{tool}\",le=\"{end}\"}} {count}");
        }
        let sum = calls.microseconds.load(Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "lectern_request_seconds_sum{{tool=\"{tool}\"}} {sum}");
        let _ = writeln!(out, "lectern_request_seconds_count{{tool=\"{tool}\"}} {count}");
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Names of sources need no escaping: they have neither quotes nor backslashes.
fn index(out: &mut String, status: &Result<Status, ReadError>, now: DateTime<Utc>) {
    head(out, "lectern_index_readable", "gauge", "1 while the index can be read.");
    let _ = writeln!(out, "lectern_index_readable {}", u8::from(status.is_ok()));
    let Ok(status) = status else { return };
    let age = |time: &str| {
        let time = DateTime::parse_from_rfc3339(time).ok()?;
        Some((now - time.to_utc()).num_milliseconds().max(0) as f64 / 1000.0)
    };
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&lectern_index::head::Head) -> Option<f64>| {
        head(out, name, "gauge", help);
        for source in &status.heads {
            if let Some(value) = value(source) {
                let _ = writeln!(out, "{name}{{source=\"{}\"}} {value}", source.source);
            }
        }
    };
    gauge("lectern_index_generation", "Published generation.", &|head| Some(head.generation as f64));
    gauge("lectern_index_age_seconds", "Time since it was published.", &|head| age(&head.indexed_at));
    gauge("lectern_index_checked_seconds", "Time since it was seen to be up to date.", &|head| {
        age(&head.checked_at)
    });
    gauge("lectern_index_commits_behind", "Commits not indexed yet.", &|head| {
        head.commits_behind.map(|behind| behind as f64)
    });
    gauge("lectern_index_documents", "Documents.", &|head| Some(head.documents as f64));
    gauge("lectern_index_chunks", "Chunks.", &|head| Some(head.chunks as f64));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passage::tests::head;

    #[test]
    fn calls_are_counted_by_tool_outcome_and_time() {
        let metrics = Metrics::default();
        metrics.record(ToolName::SearchDocs, Outcome::Ok, Duration::from_millis(3));
        metrics.record(ToolName::SearchDocs, Outcome::Ok, Duration::from_secs(60));
        metrics.record(ToolName::FetchDoc, Outcome::Refused, Duration::from_millis(1));
        let status = crate::fake::status(vec![head("docs", true)]);
        let now = DateTime::parse_from_rfc3339("2026-11-21T01:34:30Z").expect("a time").to_utc();
        let text = metrics.text(&Ok(status), now);
        for line in [
            "lectern_requests_total{tool=\"search_docs\",outcome=\"ok\"} 2",
            "lectern_requests_total{tool=\"fetch_doc\",outcome=\"refused\"} 1",
            "lectern_request_seconds_bucket{tool=\"search_docs\",le=\"0.005\"} 1",
            "lectern_request_seconds_bucket{tool=\"search_docs\",le=\"+Inf\"} 2",
            "lectern_request_seconds_count{tool=\"search_docs\"} 2",
            "lectern_index_readable 1",
            "lectern_index_generation{source=\"docs\"} 3",
            "lectern_index_age_seconds{source=\"docs\"} 90",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
