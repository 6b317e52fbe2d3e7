//! `lectern-ingest`: see `--help`.
#![allow(clippy::print_stdout)]

use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use lectern_index::config::Config;
use lectern_index::open::Location;
use lectern_ingest::cli::{Cli, Command, Common};
use lectern_ingest::exit::{Exit, Failure};
use lectern_ingest::store::sqlite::SqliteStore;
use lectern_ingest::{export, run, status};

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
            return end(&cli.common, Err(Failure::usage(format!("no threads can be started: {error}"))));
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(&cli) => outcome,
            signal = stopped() => Err(Failure::new(
                Exit::SourceDown,
                format!("stopped by {signal}: nothing of the unfinished source was published, the next sync completes the work"),
            )),
        }
    });
    end(&cli.common, outcome)
}

async fn dispatch(cli: &Cli) -> Result<Exit, Failure> {
    let config = || configuration(&cli.common);
    match &cli.command {
        Command::Sync(options) => {
            let report = run::sync(&config()?, options).await;
            let failed = report.exit_code != Exit::Done;
            if cli.common.json {
                print(&(json(&report)? + "\n"))?;
            } else if !options.quiet || failed {
                print(&report.to_text(run::colour()))?;
            }
            match (&report.error, cli.common.json) {
                (Some(error), _) => Err(Failure::new(report.exit_code, error)),
                (None, _) => Ok(report.exit_code),
            }
        }
        Command::Status => {
            let config = config()?;
            let Location::Sqlite(path) = Location::parse(&config.index.url).map_err(Failure::usage)?;
            let store = SqliteStore::open_read(&path).await?;
            let status = status::read(store.pool(), path.display().to_string()).await;
            let status = status.map_err(|error| store.error(error))?;
            print(&if cli.common.json { json(&status)? + "\n" } else { status.to_text(run::colour()) })?;
            Ok(Exit::Done)
        }
        Command::Export => {
            let index = Location::parse(&config()?.index.url).map_err(Failure::usage)?.open();
            let mut out = BufWriter::new(std::io::stdout().lock());
            export::export(&*index, &mut out).await?;
            out.flush().map_err(|error| Failure::usage(format!("the export cannot be written: {error}")))?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "lectern-ingest", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

fn configuration(common: &Common) -> Result<Config, Failure> {
    let mut sets = common.set.clone();
    if let Some(index) = &common.index {
        sets.push(format!("index.url={index}"));
    }
    Config::load(common.config.as_deref(), std::env::vars(), &sets).map_err(Failure::usage)
}

/// Says what went wrong, if anything did, and gives the exit code.
fn end(common: &Common, outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            tracing::debug!(json = common.json, code = failure.exit.code(), "failed");
            ExitCode::from(failure.exit.code())
        }
    }
}

/// A closed pipe (`| head`) is no error: whoever read has seen enough.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::usage(format!("the report cannot be written: {error}")))
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
