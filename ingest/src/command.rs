//! The commands: each opens what it needs, does its work in a module of its own, prints the outcome.
#![allow(clippy::print_stdout)]

use std::io::{BufWriter, Write};
use std::path::Path;

use clap::CommandFactory;
use lectern_index::config::Config;
use lectern_index::open::Location;
use serde::Serialize;

use crate::cli::{self, Cli, Command, Common};
use crate::exit::{Exit, Failure};
use crate::lock::Lock;
use crate::report::Report;
use crate::store::open::{Access, Place, Store};
use crate::store::sqlite::SqliteStore;
use crate::verify::Findings;
use crate::{backup, export, portable, prune, repair, run, status, verify};

/// Runs the command and gives the code it ends with.
pub async fn run(cli: &Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match &cli.command {
        Command::Sync(options) => sync(common, options).await,
        Command::Daemon => crate::daemon::daemon(configuration(common)?).await,
        Command::Status => status(common).await,
        Command::Export { vectors } => export(common, *vectors).await,
        Command::Verify { repair } => verify(common, *repair).await,
        Command::RebuildLedger => rebuild_ledger(common).await,
        Command::Backup { file } => backup(common, file).await,
        Command::Restore { file } => restore(common, file).await,
        Command::Copy { from, to } => copy(common, from, to).await,
        Command::Prune(options) => prune(common, options).await,
        Command::Rollback => rollback(common).await,
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "lectern-ingest", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

async fn sync(common: &Common, options: &cli::Sync) -> Result<Exit, Failure> {
    let report = run::sync(&configuration(common)?, options).await;
    if common.json || !options.quiet || report.exit_code != Exit::Done {
        print(common, &report, |report| report.to_text(run::colour()))?;
    }
    // Also where stdout has them in JSON: whoever reads the log must find them.
    for error in report.sources.iter().filter_map(|source| source.error.as_ref()) {
        eprintln!("error: {error}");
    }
    if let Some(error) = &report.error {
        eprintln!("error: {error}");
    }
    Ok(report.exit_code)
}

async fn status(common: &Common) -> Result<Exit, Failure> {
    let config = configuration(common)?;
    let place = Place::of(&config)?;
    let read = async |store: &_| status::read(store, place.name(), &config).await;
    let status = place.with(Access::Read, read).await?;
    print(common, &status, |status| status.to_text(run::colour()))?;
    Ok(Exit::Done)
}

async fn export(common: &Common, vectors: bool) -> Result<Exit, Failure> {
    let index = Location::of(&configuration(common)?.index).map_err(Failure::usage)?.open()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    export::export(&*index, vectors, &mut out).await?;
    export::written(out.flush())?;
    Ok(Exit::Done)
}

async fn verify(common: &Common, mend: bool) -> Result<Exit, Failure> {
    let config = configuration(common)?;
    let access = if mend { Access::Existing } else { Access::Read };
    Place::of(&config)?.with(access, async |store| verify_store(common, &config, store, mend).await).await
}

async fn verify_store(common: &Common, config: &Config, store: &Store, mend: bool) -> Result<Exit, Failure> {
    let mut findings = look(store).await?;
    if mend && !findings.differences.is_empty() {
        let embedder = run::embedder(config)?;
        let fingerprint = run::spec(config, embedder.as_deref(), None).fingerprint;
        let targets = repair::mend(store, &findings, config, &fingerprint).await?;
        let mut report = Report::begin(false);
        let names = targets.iter().map(|target| target.settings.name.to_string()).collect();
        let options = cli::Sync { targets: names, dry_run: false, quiet: true, allow_mass_delete: false };
        run::sync_all(config, &options, &embedder, store, &targets, &mut report).await?;
        if report.of_sources() != Exit::Done {
            print(common, &report, |report| report.to_text(run::colour()))?;
            return Ok(report.of_sources());
        }
        let before = findings.differences.len();
        findings = look(store).await?;
        if !common.json {
            eprintln!("{before} differences were found, {} are left", findings.differences.len());
        }
    }
    print(common, &findings, Findings::to_text)?;
    Ok(if findings.differences.is_empty() { Exit::Done } else { Exit::Differs })
}

/// Verifies a file in one transaction, so a sync that publishes meanwhile is no difference.
async fn look(store: &Store) -> Result<Findings, Failure> {
    let store = match store {
        Store::Sqlite(store) => store,
        Store::Qdrant(store) => return Ok(verify::qdrant::verify(store).await?),
    };
    let mut db = store.pool().begin().await.map_err(|error| store.error(error))?;
    Ok(verify::verify(&mut db).await.map_err(|error| store.error(error))?)
}

async fn rebuild_ledger(common: &Common) -> Result<Exit, Failure> {
    let place = Place::of(&configuration(common)?)?;
    let rebuilt = place.with(Access::Existing, async |store| repair::rebuild_ledger(store).await).await?;
    print(common, &serde_json::json!({ "documents": rebuilt }), |_| {
        format!("the ledger knows the {rebuilt} documents of the index again\n")
    })?;
    Ok(Exit::Done)
}

async fn backup(common: &Common, file: &Path) -> Result<Exit, Failure> {
    match location(common)? {
        Location::Sqlite(path) if !portable::file::has_lines(file) => {
            backup::backup(&SqliteStore::open_read(&path).await?, file).await?;
        }
        location => drop(portable::file::backup(&*location.open()?, file).await?),
    }
    done(common, "backup", file)
}

async fn restore(common: &Common, file: &Path) -> Result<Exit, Failure> {
    let (location, is_database) = (location(common)?, portable::file::is_database(file));
    if let (Location::Sqlite(path), false) = (&location, portable::file::has_lines(file)) {
        let _lock = Lock::take(path)?;
        backup::restore(&SqliteStore::open(path).await?, file).await?;
        return done(common, "restored", file);
    }
    if is_database {
        let file = file.display();
        return Err(Failure::usage(format!(
            "{file} is a file: use lectern-ingest copy --from {file} --to {location}"
        )));
    }
    let place = Place::of(&configuration(common)?)?;
    place.with(Access::Make, async |store| portable::file::restore(store, file).await).await?;
    done(common, "restored", file)
}

async fn copy(common: &Common, from: &str, to: &str) -> Result<Exit, Failure> {
    if common.index.is_some() {
        return Err(Failure::usage("copy takes --from and --to, not --index"));
    }
    let config = configuration(common)?;
    let [source, target] = [from, to].map(|url| Location::parse(url).map_err(Failure::usage));
    let (source, target) = (source?, target?);
    if source == target {
        return Err(Failure::usage("--from and --to are the same index"));
    }
    let from = source.open()?;
    from.status().await?;
    let place = Place::at(to, &config)?;
    let copied = place.with(Access::Make, async |store| {
        let mut writer = portable::Writer::new(store);
        let given = portable::give(&*from, &mut writer).await;
        let finished = writer.finish();
        given.and(finished)
    });
    let documents = copied.await?;
    print(common, &serde_json::json!({ "documents": documents }), |_| {
        format!("{} serves the {documents} documents that were copied\n", place.name())
    })?;
    Ok(Exit::Done)
}

async fn prune(common: &Common, options: &cli::Prune) -> Result<Exit, Failure> {
    let config = configuration(common)?;
    let current = run::spec(&config, run::embedder(&config)?.as_deref(), None).fingerprint;
    let pruned = Place::of(&config)?
        .with(Access::Existing, async |store| prune::prune(store, &config, options, &current).await)
        .await?;
    print(common, &pruned, |pruned| {
        let names: Vec<&str> = pruned.sources.iter().map(|name| name.as_str()).collect();
        format!(
            "removed {} sources ({}), {} vectors, {} builds\n",
            names.len(),
            if names.is_empty() { "-".to_owned() } else { names.join(", ") },
            pruned.vectors,
            pruned.builds.len()
        )
    })?;
    Ok(Exit::Done)
}

async fn rollback(common: &Common) -> Result<Exit, Failure> {
    let place = Place::of(&configuration(common)?)?;
    let fingerprint = place.with(Access::Existing, async |store| prune::rollback(store).await).await?;
    print(common, &serde_json::json!({ "serving": fingerprint }), |_| {
        format!(
            "build {fingerprint} is served again. Set model and chunk settings back before the next sync, which would switch to the build of the settings it finds\n"
        )
    })?;
    Ok(Exit::Done)
}

fn configuration(common: &Common) -> Result<Config, Failure> {
    Config::load(common.config.as_deref(), std::env::vars(), common.index.as_deref(), &common.set)
        .map_err(Failure::usage)
}

fn location(common: &Common) -> Result<Location, Failure> {
    Location::of(&configuration(common)?.index).map_err(Failure::usage)
}

fn done(common: &Common, what: &str, file: &Path) -> Result<Exit, Failure> {
    let file = file.display().to_string();
    let object = serde_json::Map::from_iter([(what.to_owned(), file.clone().into())]);
    print(common, &object, |_| format!("{what}: {file}\n"))?;
    Ok(Exit::Done)
}

/// Prints an outcome: as JSON where that is asked for, else as text. A closed pipe (`| head`) is no
/// error: whoever read has seen enough.
fn print<T: Serialize>(common: &Common, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    let text =
        if common.json { serde_json::to_string(value).map_err(Failure::usage)? + "\n" } else { text(value) };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
