//! `search_docs`: query → candidates → one ranking → the passages that fit.

use std::sync::Arc;
use std::time::Duration;

use lectern_index::embed::Embedder;
use lectern_index::fuse::{Ranked, fuse};
use lectern_index::head::Head;
use lectern_index::query::Terms;
use lectern_index::search::{CANDIDATES, Filter, Found, Mode, Search, SearchIndex, Status};

use crate::answer::{Answer, Hit, Provenance, SearchAnswer, SourceState};
use crate::arguments::{CallError, SearchCall};
use crate::budget::{Budget, largest};
use crate::cursor;
use crate::embed::Questions;
use crate::passage::{Detail, Passage};
use crate::render;

/// How often a new generation is looked for. Shorter: reads that find nothing; longer: more often the
/// first search after a publish loads what is new itself.
const POLL: Duration = Duration::from_secs(2);

/// Answers calls from one index. Cheap to clone.
#[derive(Clone)]
pub struct Searcher {
    pub(crate) index: Arc<dyn SearchIndex>,
    questions: Option<Arc<Questions>>,
}

impl Searcher {
    /// Searches `index`; with `embedder` in hybrid mode where the index was built with the same.
    pub fn new(
        index: Arc<dyn SearchIndex>,
        embedder: Option<Arc<dyn Embedder>>,
        embed_timeout: Duration,
    ) -> Self {
        let questions = embedder.map(|embedder| Arc::new(Questions::new(embedder, embed_timeout)));
        Self { index, questions }
    }

    /// Keeps what searches by vector need loaded, so that no caller waits for a new generation to
    /// be. Nothing is loaded of an index that was not built with our embedder.
    pub async fn keep_ready(self) {
        // An index that is not a file is reached, and its key looked at, before somebody asks.
        let _ = self.index.status().await;
        let Some(questions) = &self.questions else { return };
        loop {
            let status = self.index.status().await;
            if status.is_ok_and(|status| status.embedder.as_ref() == Some(questions.id()))
                && let Err(error) = self.index.prepare().await
            {
                tracing::warn!(%error, "vectors are not loaded");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Answers `search_docs`.
    pub async fn search(&self, call: &SearchCall) -> Result<Answer<SearchAnswer>, CallError> {
        let terms = Terms::parse(&call.query);
        let (vector, failure) = self.embed(&call.query).await?;
        let search = Search { terms, vector, filter: call.filter.clone(), candidates: CANDIDATES };
        let mut found = self.index.search(&search).await?;
        check_filter(&call.filter, &found.status)?;
        // The build may have changed since the query was embedded, or not embedded.
        let missed = search.vector.is_none().then(|| "the index has just been rebuilt".to_owned());
        let (mode, degraded) = self.mode(&found.status, failure.or(missed));
        if mode == Mode::Lexical {
            // Vectors of another fingerprint than the query's say nothing.
            found.dense.clear();
        }
        page(call, &search.terms, found, mode, degraded)
    }

    /// The query's vector, where the index was built with our embedder; where there should be one
    /// and is not, why.
    async fn embed(&self, query: &str) -> Result<(Option<Vec<f32>>, Option<String>), CallError> {
        let Some(questions) = &self.questions else { return Ok((None, None)) };
        if self.index.status().await?.embedder.as_ref() != Some(questions.id()) {
            return Ok((None, None));
        }
        Ok(match questions.vector(query).await {
            Ok(vector) => (Some(vector), None),
            Err(failure) => (None, Some(failure)),
        })
    }

    /// Why questions that are not remembered are not embedded at the moment.
    pub(crate) fn down(&self) -> Option<String> {
        self.questions.as_ref()?.down()
    }

    /// How the index is searched, and why not better: said by every answer.
    pub(crate) fn mode(&self, status: &Status, failure: Option<String>) -> (Mode, Option<String>) {
        match (&status.embedder, &self.questions) {
            (None, _) => (Mode::Lexical, None),
            (Some(made), None) => (
                Mode::Lexical,
                Some(format!(
                    "the index was made with {:?}, but no embedder is configured here: set [embedding] as for lectern-ingest",
                    made.as_str()
                )),
            ),
            (Some(made), Some(ours)) if made != ours.id() => (
                Mode::Lexical,
                Some(format!(
                    "the index was made with {:?}, but {:?} is configured here: set [embedding] as for lectern-ingest, or let that sync with the new settings",
                    made.as_str(),
                    ours.id().as_str()
                )),
            ),
            (Some(_), Some(_)) => match failure {
                Some(failure) => (Mode::Lexical, Some(failure)),
                None => (Mode::Hybrid, None),
            },
        }
    }
}

/// Refuses a source or version there is none of: an empty answer would read as "not documented".
pub(crate) fn check_filter(filter: &Filter, status: &Status) -> Result<(), CallError> {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    if let Some(source) = &filter.source
        && !status.heads.iter().any(|head| head.source == *source)
    {
        let names = status.heads.iter().map(|head| head.source.as_str()).collect();
        return Err(CallError::Invalid(format!(
            "there is no source {source:?}: use one of the indexed ones ({}) or leave source out",
            list(names),
            source = source.as_str()
        )));
    }
    if let Some(version) = &filter.version
        && !status.heads.iter().any(|head| head.version.as_ref() == Some(version))
    {
        let mut names: Vec<&str> = status.heads.iter().filter_map(|head| head.version.as_deref()).collect();
        names.dedup();
        return Err(CallError::Invalid(format!(
            "there is no version {version:?}: use one of the indexed ones ({}) or leave version out",
            list(names)
        )));
    }
    Ok(())
}

/// What a cursor is made for.
fn arguments(call: &SearchCall) -> [Option<&str>; 5] {
    let Filter { source, path_prefix, version } = &call.filter;
    [
        Some("search_docs"),
        Some(&call.query),
        source.as_ref().map(|source| source.as_str()),
        path_prefix.as_deref(),
        version.as_deref(),
    ]
}

/// What a cursor was made in: the build and its generations.
pub(crate) fn state(status: &Status) -> String {
    let mut state = status.fingerprint.as_str().to_owned();
    for head in &status.heads {
        state.push_str(&format!(" {}:{}", head.source, head.generation));
    }
    state
}

/// One page of the ranking.
fn page(
    call: &SearchCall,
    terms: &Terms,
    found: Found,
    mode: Mode,
    mut degraded: Option<String>,
) -> Result<Answer<SearchAnswer>, CallError> {
    let state = state(&found.status);
    let heads = found.status.heads.clone();
    let ranked = fuse(found, terms);
    let mut offset = 0;
    if let Some(cursor) = &call.cursor {
        let cursor = cursor::decode(cursor, &arguments(call), &[Some(&state)])?;
        offset = (cursor::as_number(&cursor.position)? as usize).min(ranked.len());
        if !cursor.fresh {
            degraded = Some("the index has changed since the cursor was made: passages may repeat".into());
        }
    }
    let page = Page { call, heads: &heads, state: &state, mode, degraded, ranked: &ranked, offset };
    Ok(page.fill(terms, &Budget::new(call.max_tokens)))
}

/// What decides one page.
struct Page<'a> {
    call: &'a SearchCall,
    heads: &'a [Head],
    state: &'a str,
    mode: Mode,
    degraded: Option<String>,
    ranked: &'a [Ranked],
    offset: usize,
}

impl Page<'_> {
    /// The passages that fit, in order. A passage that does not fit whole is cut and ends the page
    /// or, where no line of it fits either, is left out; the first one on a page may be followed
    /// by others then, so that every page leads on.
    fn fill(&self, terms: &Terms, budget: &Budget) -> Answer<SearchAnswer> {
        let passages: Vec<Passage<'_>> = self.ranked[self.offset..]
            .iter()
            .take(self.call.max_results)
            .filter_map(|ranked| {
                let head = self.heads.iter().find(|head| head.source == ranked.chunk.source)?;
                Some(Passage::new(ranked, head))
            })
            .collect();
        let detail = self.detail(&passages, budget);
        let mut hits = Vec::new();
        let mut used = budget.cost(&self.answer(&hits, 0, detail));
        for (at, passage) in passages.iter().enumerate() {
            let whole = passage.whole(detail, budget);
            let cost = self.cost(&hits, &whole, detail, budget);
            let mut grown = hits.clone();
            if used + cost <= budget.limit() {
                grown.push(whole.clone());
                // Estimates are close, not exact: near the limit the finished answer is counted.
                if used + cost + budget.limit() / 10 + 30 <= budget.limit()
                    || budget.holds(&self.answer(&grown, at + 1, detail))
                {
                    used += cost;
                    hits = grown;
                    continue;
                }
            }
            let part = self.cut(&hits, at, passage, detail, terms, budget);
            if let Some(part) = part {
                let enough = part.tokens * 2 >= whole.tokens;
                if hits.is_empty() || enough {
                    hits.push(part);
                    return self.finish(hits, at + 1, detail, budget);
                }
            }
            if !hits.is_empty() {
                return self.finish(hits, at, detail, budget);
            }
        }
        self.finish(hits, passages.len(), detail, budget)
    }

    /// The answer, made true: where the estimates were off, the last passage goes.
    fn finish(
        &self,
        mut hits: Vec<Hit>,
        mut considered: usize,
        detail: Detail,
        budget: &Budget,
    ) -> Answer<SearchAnswer> {
        while !hits.is_empty() {
            let answer = self.answer(&hits, considered, detail);
            if budget.holds(&answer) {
                return answer;
            }
            hits.pop();
            considered = considered.saturating_sub(1).max(1);
        }
        self.without_hits(considered, detail, budget)
    }

    /// An answer without hits names the sources that were searched; where not all of them fit, it
    /// says so.
    fn without_hits(&self, considered: usize, detail: Detail, budget: &Budget) -> Answer<SearchAnswer> {
        let Filter { source, version, .. } = &self.call.filter;
        let searched: Vec<SourceState> = self
            .heads
            .iter()
            .filter(|head| source.as_ref().is_none_or(|source| head.source == *source))
            .filter(|head| version.is_none() || head.version == *version)
            .map(|head| SourceState::of(head, detail < Detail::Full))
            .collect();
        let naming = |n: usize| {
            let mut structured = self.answer(&[], considered, detail).structured;
            structured.provenance.sources = searched[..n].to_vec();
            if n < searched.len() {
                let more =
                    format!("{} more sources were searched: get_index_status has them", searched.len() - n);
                structured.provenance.degraded.get_or_insert(more);
            }
            Answer { text: render::search(&structured), structured }
        };
        naming(if budget.holds(&naming(searched.len())) {
            searched.len()
        } else {
            largest(searched.len(), |n| budget.holds(&naming(n)))
        })
    }

    /// How much can be said about each passage: more than half of the budget is for the passages.
    fn detail(&self, passages: &[Passage<'_>], budget: &Budget) -> Detail {
        let Some(first) = passages.first() else { return Detail::Full };
        for detail in [Detail::Full, Detail::Lean] {
            let empty = first.part(0..0, detail, budget);
            if budget.cost(&self.answer(&[empty], 1, detail)) * 2 <= budget.limit() {
                return detail;
            }
        }
        Detail::Bare
    }

    /// The lines of a passage that fit behind `hits`.
    fn cut(
        &self,
        hits: &[Hit],
        at: usize,
        passage: &Passage<'_>,
        detail: Detail,
        terms: &Terms,
        budget: &Budget,
    ) -> Option<Hit> {
        let with = |range: std::ops::Range<usize>| {
            let hit = passage.part(range, detail, budget);
            let mut all = hits.to_vec();
            all.push(hit.clone());
            (hit, budget.cost(&self.answer(&all, at + 1, detail)))
        };
        let (_, without) = with(0..0);
        let room = budget.limit().checked_sub(without)?;
        let mut window = passage.window(room, terms, budget)?;
        loop {
            let (hit, cost) = with(window.clone());
            if cost <= budget.limit() {
                return Some(hit);
            }
            window.end -= 1;
            if !passage.says_something(window.clone()) {
                return None;
            }
        }
    }

    /// About what a hit adds to the larger form of the answer.
    fn cost(&self, hits: &[Hit], hit: &Hit, detail: Detail, budget: &Budget) -> usize {
        let with = |hits: &[Hit]| budget.cost(&self.answer(hits, 0, detail));
        let known = hits.iter().find(|known| known.source == hit.source);
        let alone = with(std::slice::from_ref(hit));
        // The envelope is paid already, and so is the state of a source that has another hit.
        let paid = match known {
            Some(known) => {
                let mut empty = known.clone();
                empty.content = String::new();
                let both = with(&[empty.clone(), hit.clone()]);
                return both.saturating_sub(with(&[empty]));
            }
            None => with(&[]),
        };
        alone.saturating_sub(paid)
    }

    /// The answer with these passages, the first `considered` of the page being dealt with.
    fn answer(&self, hits: &[Hit], considered: usize, detail: Detail) -> Answer<SearchAnswer> {
        let after = self.offset + considered;
        let next = (after < self.ranked.len()).then(|| {
            cursor::encode(&arguments(self.call), &[Some(self.state)], &cursor::number(after as u32))
        });
        let sources = self
            .heads
            .iter()
            .filter(|head| hits.iter().any(|hit| hit.source == head.source.as_str()))
            .map(|head| SourceState::of(head, detail < Detail::Full))
            .collect();
        let structured = SearchAnswer {
            results: hits.to_vec(),
            omitted: self.ranked.len() - self.offset - hits.len(),
            next_cursor: next,
            provenance: Provenance { mode: self.mode, degraded: self.degraded.clone(), sources },
        };
        Answer { text: render::search(&structured), structured }
    }
}

#[cfg(test)]
mod tests;
