//! How well the right documents are found: `cargo bench --bench retrieval`.
//!
//! Indexes documentation as `lectern-ingest sync` does, asks labelled questions as `lectern-serve` does, and
//! prints nDCG@10, Hit@1, Hit@5 and MRR@10 over documents, by mode and by kind of question, with the
//! latency of a search. `-- --help` says what can be chosen.

#![allow(missing_docs, clippy::print_stdout)]

mod compare;
mod index;
mod labels;
mod measure;
mod metrics;
mod report;
mod vectors;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use lectern_index::config::Config;

use labels::Set;
use measure::Measured;

#[derive(Parser)]
#[command(name = "cargo bench --bench retrieval --", about = "How well the right documents are found")]
struct Options {
    /// Folder of documentation [default: each folder of LECTERN_CORPORA or ../shared/corpora that has
    /// questions in ../eval beside it]
    #[arg(long, value_name = "DIR", requires = "queries")]
    corpus: Option<PathBuf>,
    /// Its questions: JSON lines of qid, kind, query and relevant (path, and grade from 1 up)
    #[arg(long, value_name = "FILE", requires = "corpus")]
    queries: Option<PathBuf>,
    /// Measure the hybrid mode too, with the local model in this folder
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// Set anything lectern.toml can set, for both modes; an embedding provider adds the hybrid mode
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Print {SET: {MODE: {ndcg10, hit1, hit5, mrr10, p50_ms, p95_ms}}} and nothing else
    #[arg(long)]
    json: bool,
    /// Write that, and each question's result, to this file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Show the questions that are answered better or worse than in this file, which --save wrote
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// By set and mode.
type Results = BTreeMap<String, BTreeMap<String, Measured>>;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let before: Option<Results> = options.compare.as_deref().map(report::load).transpose()?;
    let mut sets = options.set.clone();
    if let Some(dir) = &options.model_dir {
        let dir = dir.to_str().context("--model-dir is no text")?;
        sets.push("embedding.provider=local".into());
        sets.push(format!("embedding.model_dir={dir}"));
    }
    let config = Config::load(None, std::iter::empty(), None, &sets)?;
    let labelled = match (&options.corpus, &options.queries) {
        (Some(corpus), Some(queries)) => vec![Set::load(corpus, queries)?],
        _ => labels::beside_the_repository()?,
    };
    if labelled.is_empty() {
        bail!("no documentation with questions: give --corpus DIR and --queries FILE");
    }
    let mut results = Results::new();
    for set in &labelled {
        let modes = results.entry(set.name.clone()).or_default();
        for config in modes_of(&config) {
            let built = index::build(set, &config).await?;
            modes.insert(built.mode.to_owned(), measure::measure(set, &built).await?);
        }
    }
    if let Some(path) = &options.save {
        report::save(path, &results)?;
    }
    if options.json {
        println!("{}", report::json(&results)?);
        return Ok(());
    }
    print!("{}", report::table(&labelled, &results));
    if let Some(before) = &before {
        print!("{}", compare::table(&labelled, before, &results));
    }
    Ok(())
}

/// The settings without an embedder, and where they name one, with it.
fn modes_of(config: &Config) -> Vec<Config> {
    let mut lexical = config.clone();
    lexical.embedding = Default::default();
    match config.embedding.provider {
        None => vec![lexical],
        Some(_) => vec![lexical, config.clone()],
    }
}
