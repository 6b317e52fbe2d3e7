//! `lectern-ingest`: see `--help`.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use lectern_ingest::cli::{Cli, Command};
use lectern_ingest::exit::{Exit, Failure};
use lectern_ingest::{command, signal, store};

fn main() -> ExitCode {
    // Before any thread is started: it changes the environment.
    let environment = lectern_index::config::read_env_file();
    let cli = Cli::parse();
    log_to_stderr();
    // Fails only where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match environment {
        Ok(None) => {}
        Ok(Some(warning)) => tracing::warn!("{warning}"),
        Err(error) => return end(cli.common.json, Err(Failure::usage(error))),
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(cli.common.json, Err(Failure::usage(format!("no threads can be started: {error}"))));
        }
    };
    // The daemon ends by itself, in its own time.
    let interruptible = !matches!(cli.command, Command::Daemon);
    let outcome = runtime.block_on(async {
        let outcome = tokio::select! {
            outcome = command::run(&cli) => outcome,
            signal = signal::stopped(), if interruptible => Err(Failure::new(
                Exit::SourceDown,
                format!("stopped by {signal}: nothing of the unfinished source was published, the next sync completes the work"),
            )),
        };
        // What was stopped or failed may hold a lease still.
        store::qdrant::release().await;
        outcome
    });
    end(cli.common.json, outcome)
}

/// Says what went wrong, if anything did, and gives the exit code. A command that failed before it
/// had an outcome to print has printed nothing: with `--json` that object is this one.
fn end(json: bool, outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            if json {
                let object = serde_json::json!({ "exit_code": failure.exit, "error": failure.message });
                // Whoever closed the pipe does not want it.
                let _ = writeln!(std::io::stdout(), "{object}");
            }
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
