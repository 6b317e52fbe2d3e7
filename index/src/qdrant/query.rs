//! One search as Qdrant takes it: both lists and the heads they belong to, in one call.

use std::collections::BTreeMap;

use qdrant_client::QdrantError;
use qdrant_client::qdrant::{
    Condition, Filter as Conditions, QuantizationSearchParamsBuilder, Query, QueryBatchPointsBuilder,
    QueryPoints, QueryPointsBuilder, ScoredPoint, SearchParamsBuilder, VectorInput,
};

use super::collection::{Collection, State, read, state};
use super::error::damaged;
use super::points::{self, DENSE, Point, TEXT, field};
use crate::head::Head;
use crate::search::{Candidate, Filter, Search, StoredChunk};

/// How many times the list is scored again from full vectors. Too low: rounding to eight bits
/// decides who is in the list; too high: more is read from disk.
const OVERSAMPLING: f64 = 2.0;

/// What a search asks for.
pub(super) struct Queries {
    lexical: Option<QueryPoints>,
    dense: Option<QueryPoints>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) lexical: Vec<Candidate>,
    pub(super) dense: Vec<Candidate>,
    /// The state that was searched.
    pub(super) state: Option<State>,
}

impl Queries {
    /// Searches under `state`; `paths` are those of the filter's prefix where it ends within a name.
    pub(super) fn new(name: &str, state: &State, search: &Search, paths: Option<Vec<String>>) -> Self {
        let Some(filter) = conditions(state, &search.filter, paths) else {
            return Self { lexical: None, dense: None };
        };
        let query = |query: Query, using: &str| {
            QueryPointsBuilder::new(name)
                .query(query)
                .using(using)
                .filter(filter.clone())
                .limit(search.candidates as u64)
                .with_payload(true)
        };
        let terms = search.terms.as_slice().join(" ");
        let lexical = (!terms.is_empty())
            .then(|| query(Query::new_nearest(VectorInput::from(points::terms(&terms))), TEXT).build());
        // A vector of another length is of another embedder: nothing is near to it.
        let vector =
            search.vector.as_ref().filter(|vector| state.build.dimensions == Some(vector.len() as u32));
        let exact = QuantizationSearchParamsBuilder::default().rescore(true).oversampling(OVERSAMPLING);
        let dense = vector.map(|vector| {
            query(Query::new_nearest(vector.clone()), DENSE)
                .params(SearchParamsBuilder::default().quantization(exact))
                .build()
        });
        Self { lexical, dense }
    }

    /// Asks, in one call.
    pub(super) async fn ask(self, of: &Collection) -> Result<Answer, QdrantError> {
        let (has_lexical, has_dense) = (self.lexical.is_some(), self.dense.is_some());
        let queries =
            self.lexical.into_iter().chain(self.dense).chain([of.state_query()]).collect::<Vec<_>>();
        let batch = QueryBatchPointsBuilder::new(of.name(), queries);
        let mut answers = of.client().query_batch(batch).await?.result.into_iter().map(|batch| batch.result);
        let mut next = || answers.next().ok_or_else(|| damaged("an answer is missing"));
        let lexical = if has_lexical { candidates(next()?)? } else { Vec::new() };
        let dense = if has_dense { candidates(next()?)? } else { Vec::new() };
        let state = state(next()?.into_iter().map(|point| point.payload))?;
        Ok(Answer { lexical, dense, state })
    }
}

/// The heads of the sources that a filter lets pass.
pub(super) fn sources<'a>(state: &'a State, filter: &Filter) -> Vec<&'a Head> {
    let passes = |head: &&Head| {
        filter.source.as_ref().is_none_or(|source| head.source == *source)
            && (filter.version.is_none() || head.version == filter.version)
    };
    state.heads.iter().filter(passes).collect()
}

/// The filter in Qdrant's words; `None` where nothing can pass it.
fn conditions(state: &State, filter: &Filter, paths: Option<Vec<String>>) -> Option<Conditions> {
    let mut must = vec![points::is("chunk")];
    // One clause for each generation, not for each source: with hundreds of sources Qdrant would spend
    // most of a search on them.
    let mut generations: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for head in sources(state, filter) {
        generations.entry(head.generation).or_default().push(head.source.as_str().to_owned());
    }
    let mut clauses = generations
        .into_iter()
        .map(|(generation, sources)| points::in_common_generation(sources, generation));
    match (clauses.next(), clauses.next()) {
        (None, _) => return None,
        (Some(only), None) => must.extend(only),
        (Some(first), Some(second)) => {
            let each = [first, second].into_iter().chain(clauses).map(|one| Conditions::must(one).into());
            must.push(Conditions::should(each).into());
        }
    }
    match (&filter.path_prefix, paths) {
        (_, Some(paths)) if paths.is_empty() => return None,
        (_, Some(paths)) => must.push(Condition::matches(field::PATH, paths)),
        (Some(folder), None) if !folder.is_empty() => {
            must.push(points::matches(field::FOLDERS, folder));
        }
        _ => {}
    }
    Some(Conditions::must(must))
}

/// A list, best first; equal scores by id.
fn candidates(points: Vec<ScoredPoint>) -> Result<Vec<Candidate>, QdrantError> {
    let mut list = points.into_iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
    list.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.id.cmp(&b.chunk.id)));
    Ok(list)
}

fn candidate(point: ScoredPoint) -> Result<Candidate, QdrantError> {
    let id = point
        .id
        .as_ref()
        .and_then(points::read_chunk_id)
        .ok_or_else(|| damaged("a chunk's id is no UUID"))?;
    let Point::Chunk(found) = read(point.payload)? else {
        return Err(damaged("what has vectors is no chunk"));
    };
    let chunk =
        StoredChunk { id, source: found.source, path: found.path, title: found.title, chunk: found.chunk };
    Ok(Candidate { score: point.score, chunk })
}
