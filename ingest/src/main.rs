//! `lectern-ingest`: see `--help`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use lectern_ingest::cli::Cli;
use lectern_ingest::command;
use lectern_ingest::exit::{Exit, Failure};

fn main() -> ExitCode {
    // Before any thread is started: it changes the environment.
    let environment = dotenvy::dotenv();
    let cli = Cli::parse();
    log_to_stderr();
    if let Err(error) = environment
        && !error.not_found()
    {
        tracing::warn!("the file .env is not read: {error}");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(Err(Failure::usage(format!("no threads can be started: {error}"))));
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = command::run(&cli) => outcome,
            signal = stopped() => Err(Failure::new(
                Exit::SourceDown,
                format!("stopped by {signal}: nothing of the unfinished source was published, the next sync completes the work"),
            )),
        }
    });
    end(outcome)
}

/// Says what went wrong, if anything did, and gives the exit code.
fn end(outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Logs go to stderr: `LECTERN_LOG` takes tracing's directives (`debug`, `lectern_ingest=trace`).
/// On a terminal the bars say what the info lines say elsewhere.
fn log_to_stderr() {
    let default = if std::io::stderr().is_terminal() { "warn" } else { "warn,lectern_ingest=info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LECTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr)
        .init();
}

async fn stopped() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return "SIGINT",
                _ = terminate.recv() => return "SIGTERM",
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
    "SIGINT"
}
