//! `/livez`, `/health` and `/metrics` of the daemon. They tell names, times and counts, no content.

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Of;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::daemon::state::{Shared, State};
use crate::exit::Failure;
use crate::schedule;
use crate::source::Usage;

/// What a run may take beyond its due time before its source counts as stale.
const SLACK: Duration = Duration::from_secs(300);

/// Binds the address, so that a taken port is an error at the start.
pub(super) async fn bind(listen: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::usage(format!("daemon.listen = {listen:?} cannot be used: {error}; choose another with --set daemon.listen=ADDRESS:PORT"))
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("health at http://{address}/health");
    }
    Ok(listener)
}

/// Answers until `stop`.
pub(super) async fn serve(listener: TcpListener, states: Shared, stop: CancellationToken) {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(states);
    let ended = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = ended {
        tracing::error!("health is no longer served: {error}");
    }
}

/// Whether the last success is older than two periods.
fn stale(state: &State) -> bool {
    schedule::stale(&state.schedule, state.last_success.unwrap_or(state.since), Utc::now(), SLACK)
}

async fn health(Of(states): Of<Shared>) -> Response {
    let states = states.read();
    let time = |at: chrono::DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let sources: serde_json::Map<String, serde_json::Value> = states
        .iter()
        .map(|(name, state)| {
            let source = json!({
                "status": if stale(state) { "stale" } else { "ok" },
                "last_run": state.last_run.map(time),
                "last_success": state.last_success.map(time),
                "last_exit_code": state.last_exit,
                "failures_in_a_row": state.failures,
                "next_run": schedule::next_run(&state.schedule, state.retry, Utc::now()).map(time),
            });
            (name.to_string(), source)
        })
        .collect();
    let red = states.values().any(stale);
    let body = json!({ "status": if red { "stale" } else { "ok" }, "timestamp": time(Utc::now()), "sources": sources });
    let code = if red { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(body)).into_response()
}

async fn metrics(Of(states): Of<Shared>) -> Response {
    let text = render(&states).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Prometheus' text format
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>). Names of
/// sources need no escaping: they have no quotes, backslashes or line ends.
fn render(states: &Shared) -> Result<String, std::fmt::Error> {
    let states = states.read();
    let mut out = String::new();
    writeln!(out, "# HELP lectern_ingest_runs_total Syncs that ended, by exit code.")?;
    writeln!(out, "# TYPE lectern_ingest_runs_total counter")?;
    for (name, state) in states.iter() {
        for (code, runs) in &state.runs {
            writeln!(out, "lectern_ingest_runs_total{{source=\"{name}\",exit_code=\"{code}\"}} {runs}")?;
        }
    }
    type Gauge = (&'static str, &'static str, fn(&State) -> f64);
    let gauges: [Gauge; 5] = [
        ("last_success_timestamp_seconds", "When a sync last ended well; 0 if none ever did.", |state| {
            state.last_success.map_or(0.0, |at| at.timestamp() as f64)
        }),
        ("stale", "1 where the last success is older than two periods.", |state| {
            f64::from(u8::from(stale(state)))
        }),
        ("last_run_duration_seconds", "How long the last sync took.", |state| {
            state.duration_ms as f64 / 1000.0
        }),
        ("documents", "Documents published by the last sync.", |state| state.size.0 as f64),
        ("chunks", "Chunks published by the last sync.", |state| state.size.1 as f64),
    ];
    for (gauge, help, value) in gauges {
        writeln!(out, "# HELP lectern_ingest_{gauge} {help}\n# TYPE lectern_ingest_{gauge} gauge")?;
        for (name, state) in states.iter() {
            writeln!(out, "lectern_ingest_{gauge}{{source=\"{name}\"}} {}", value(state))?;
        }
    }
    // Only of sources that a service is asked for, once it said so.
    type Granted = (&'static str, &'static str, fn(&Usage) -> Option<f64>);
    let granted: [Granted; 2] = [
        ("requests_left", "Requests that the service behind the source still grants.", |usage| {
            usage.requests_left.map(|left| left as f64)
        }),
        ("requests_reset_timestamp_seconds", "When it grants the full number again.", |usage| {
            DateTime::parse_from_rfc3339(usage.resets_at.as_deref()?).ok().map(|at| at.timestamp() as f64)
        }),
    ];
    for (gauge, help, value) in granted {
        writeln!(out, "# HELP lectern_ingest_{gauge} {help}\n# TYPE lectern_ingest_{gauge} gauge")?;
        for (name, state) in states.iter() {
            if let Some(value) = value(&state.usage) {
                writeln!(out, "lectern_ingest_{gauge}{{source=\"{name}\"}} {value}")?;
            }
        }
    }
    Ok(out)
}
