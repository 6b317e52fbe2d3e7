//! One set in one mode: each question asked as a client asks it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lectern_serve::arguments::{SearchArguments, SearchCall};
use lectern_serve::search::Searcher;
use serde::{Deserialize, Serialize};

use crate::index::Built;
use crate::labels::{Question, Set};
use crate::metrics::{Quality, percentile};

/// Documents that count.
const DOCUMENTS: usize = 10;

/// Never reached: a question without its vector would be measured in another mode.
const EMBED_TIMEOUT: Duration = Duration::from_secs(600);

/// What was measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) quality: Quality,
    /// Median of what one search took, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    /// By question: what `--save` keeps for `--compare`.
    pub(crate) queries: BTreeMap<String, One>,
}

/// What was measured of one question.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct One {
    #[serde(flatten)]
    pub(crate) quality: Quality,
    pub(crate) ms: f64,
    /// The first documents.
    pub(crate) found: Vec<String>,
}

/// Asks every question of `set`, one after the other.
pub(crate) async fn measure(set: &Set, built: &Built) -> Result<Measured> {
    let searcher = Searcher::new(built.index.clone(), built.embedder.clone(), EMBED_TIMEOUT);
    // The first search opens files and loads tables.
    searcher.search(&call("warming up", None)?).await?;
    let mut queries = BTreeMap::new();
    for question in &set.questions {
        queries.insert(question.qid.clone(), one(&searcher, question, built.mode).await?);
    }
    let times: Vec<f64> = queries.values().map(|one| one.ms).collect();
    Ok(Measured {
        quality: Quality::mean(queries.values().map(|one| one.quality)),
        p50_ms: percentile(&times, 0.5),
        p95_ms: percentile(&times, 0.95),
        queries,
    })
}

async fn one(searcher: &Searcher, question: &Question, mode: &str) -> Result<One> {
    let as_usual =
        SearchCall::try_from(SearchArguments { query: question.query.clone(), ..Default::default() })?;
    let started = Instant::now();
    // Timed first, while nothing remembers the question's vector.
    let first = searcher.search(&as_usual).await?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    let said = &first.structured.provenance;
    ensure!(
        serde_json::to_value(said.mode)? == mode && said.degraded.is_none(),
        "{}: searched in another mode than {mode}: {:?}",
        question.qid,
        said.degraded
    );
    let found = documents(searcher, &question.query).await?;
    let grades = question.grades();
    let ranking: Vec<u32> =
        found.iter().map(|path| grades.get(path.as_str()).copied().unwrap_or(0)).collect();
    let relevant: Vec<u32> = grades.values().copied().collect();
    Ok(One { quality: Quality::of(&ranking, &relevant), ms, found })
}

/// The paths of the best documents, each in the place of its best passage.
async fn documents(searcher: &Searcher, query: &str) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let mut cursor = None;
    loop {
        let answer = searcher.search(&call(query, cursor)?).await?.structured;
        for hit in answer.results {
            if found.len() < DOCUMENTS && !found.contains(&hit.path) {
                found.push(hit.path);
            }
        }
        cursor = answer.next_cursor;
        if cursor.is_none() || found.len() == DOCUMENTS {
            return Ok(found);
        }
    }
}

/// A page as large as there is.
fn call(query: &str, cursor: Option<String>) -> Result<SearchCall> {
    Ok(SearchCall::try_from(SearchArguments {
        query: query.to_owned(),
        max_results: Some(50),
        max_tokens: Some(20_000),
        cursor,
        ..Default::default()
    })?)
}
