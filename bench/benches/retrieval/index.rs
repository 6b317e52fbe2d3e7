//! An index of a set, made anew in each run as `lectern-ingest sync` makes it: what an older program
//! made of the documents would measure that program. Only vectors are kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use lectern_index::config::{Config, IndexSettings};
use lectern_index::embed::Embedder;
use lectern_index::open::Location;
use lectern_index::search::SearchIndex;
use lectern_ingest::cli;
use lectern_ingest::exit::{Exit, Failure};
use lectern_ingest::report::Report;
use lectern_ingest::store::open::{Access, Place};
use lectern_ingest::{run, target};

use crate::labels::Set;
use crate::vectors::Kept;

/// An index that can be searched until it is dropped.
pub(crate) struct Built {
    pub(crate) mode: &'static str,
    pub(crate) index: Arc<dyn SearchIndex>,
    /// For questions: nothing is kept of those, or their latency would be that of a file.
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    _folder: tempfile::TempDir,
}

/// Indexes the documents of `set`; says on stderr how long that took.
pub(crate) async fn build(set: &Set, config: &Config) -> Result<Built> {
    let folder = tempfile::tempdir()?;
    let mut config = config.clone();
    config.index = place(set, folder.path());
    let config = &config;
    let corpus = set.corpus.to_str().context("the folder's name is no text")?;
    let targets = target::targets(config, &[corpus.to_owned()]).map_err(said)?;
    let options = cli::Sync { targets: Vec::new(), dry_run: false, quiet: true, allow_mass_delete: false };
    let embedder = run::embedder(config).map_err(said)?;
    let kept = embedder.clone().map(|embedder| Kept::open(embedder).map(Arc::new)).transpose()?;
    let keeping = kept.clone().map(|kept| kept as Arc<dyn Embedder>);
    let mode = if embedder.is_some() { "hybrid" } else { "lexical" };

    let started = Instant::now();
    let (store, _lock) = Place::of(config).map_err(said)?.open(Access::Make).await.map_err(said)?;
    let mut report = Report::begin(false);
    run::sync_all(config, &options, &keeping, &store, &targets, &mut report).await.map_err(said)?;
    store.close().await;
    let seconds = started.elapsed().as_secs_f64();
    let source = report.sources.first().context("the source was not synced")?;
    if source.exit_code != Exit::Done {
        let reasons: Vec<String> =
            source.failures.iter().map(|failure| format!("{}: {}", failure.path, failure.reason)).collect();
        return Err(anyhow!("{}: {}", set.name, source.error.clone().unwrap_or(reasons.join("\n"))));
    }
    eprint!(
        "{}, {mode}: {} documents, {} chunks in {seconds:.1} s",
        set.name, source.documents.total, source.chunks.total
    );
    match &kept {
        Some(kept) => eprintln!(", {} of them embedded in {:.1} s", kept.asked(), kept.seconds()),
        None => eprintln!(),
    }
    Ok(Built { mode, index: Location::of(&config.index)?.open()?, embedder, _folder: folder })
}

/// A file or, where `LECTERN_BENCH_QDRANT_URL` is set, Qdrant: a collection of its own in each run.
fn place(set: &Set, folder: &Path) -> IndexSettings {
    let Ok(url) = std::env::var("LECTERN_BENCH_QDRANT_URL") else {
        let url = folder.join("index.db").display().to_string();
        return IndexSettings { url, ..IndexSettings::default() };
    };
    let collection = Some(format!("bench-{}-{}", set.name, std::process::id()));
    IndexSettings { url, collection, ledger: Some(folder.join("ledger.db")), ..IndexSettings::default() }
}

fn said(failure: Failure) -> anyhow::Error {
    anyhow!(failure.message)
}
