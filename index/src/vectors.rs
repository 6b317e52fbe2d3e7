//! The vectors of the embedded index in memory: a snapshot of one published state.
//!
//! Rows are scanned in eight bits, every one that the filter lets pass. Those that may belong to the
//! best by what rounding can have done are scored again from the full vectors in the file. Equal
//! text has one row, whichever chunks it is in.

mod load;
mod quantise;
mod rows;
mod top;

use crate::chunk::ChunkId;
use crate::document::SourceName;
use crate::head::Head;
use crate::search::Filter;

pub(crate) use load::{list, refresh, rescore};
use quantise::Query;
use rows::{BLOCK, Rows};
use top::{Scored, Top};

/// How many standard deviations a score may be off before a row is missed. Higher: more full
/// vectors are read for nothing. At 3 a boundary between two rows is misjudged once in 50,000 times.
const DEVIATIONS: f32 = 3.0;

/// How many rows beyond twice the list are scored again at most. Lower: where more chunks than that
/// say nearly the same, as versions of one page do, which of them are in the list is left to
/// rounding. Higher: such searches take longer, some microseconds a row.
const SPARE: usize = 512;

/// No row.
const NONE: u32 = u32::MAX;

/// A published state of an index: what decides which vectors it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Device and inode of the file.
    pub(crate) file: (u64, u64),
    /// The build that is served, and when that began.
    pub(crate) build: (i64, String),
    /// What its vectors were made by.
    pub(crate) embedder: String,
    /// Length of its vectors.
    pub(crate) dimensions: usize,
    /// Its sources: name, generation, when that was published.
    pub(crate) sources: Vec<(SourceName, u64, String)>,
}

/// The vectors of one state.
pub(crate) struct Vectors {
    state: State,
    documents: Vec<Document>,
    /// By id: equal scores are in this order.
    chunks: Vec<ChunkRow>,
    rows: Rows,
}

/// What filters ask of a document, and what tells its versions apart.
struct Document {
    version: u64,
    source: u32,
    path: Box<str>,
}

/// A chunk with a vector.
#[derive(Clone, Copy)]
pub(crate) struct ChunkRow {
    pub(crate) id: ChunkId,
    pub(crate) chunk: i64,
    document: u32,
    row: u32,
}

/// Which documents of a snapshot pass a filter.
pub(crate) struct Passing(Vec<bool>);

impl Vectors {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether anything of it may be of use for the snapshot of `state`.
    pub(crate) fn helps(&self, state: &State) -> bool {
        self.state.embedder == state.embedder && self.state.dimensions == state.dimensions
    }

    /// Resolves a filter; `heads` are those of the snapshot's state.
    pub(crate) fn passing(&self, filter: &Filter, heads: &[Head]) -> Passing {
        let source = |(name, ..): &(SourceName, u64, String)| {
            let head = heads.iter().find(|head| head.source == *name);
            filter.source.as_ref().is_none_or(|source| source == name)
                && filter
                    .version
                    .as_ref()
                    .is_none_or(|version| head.and_then(|head| head.version.as_ref()) == Some(version))
        };
        let sources: Vec<bool> = self.state.sources.iter().map(source).collect();
        let prefix = filter.path_prefix.as_deref().unwrap_or_default();
        let passes =
            |document: &Document| sources[document.source as usize] && document.path.starts_with(prefix);
        Passing(self.documents.iter().map(passes).collect())
    }

    /// The rows that may belong to the `count` best chunks, to be scored again; none where the
    /// query is of another length or holds what is no number.
    pub(crate) fn nearest(&self, query: &[f32], passing: &Passing, count: usize) -> Vec<u32> {
        let Some(quantised) = Query::new(query).filter(|_| query.len() == self.state.dimensions) else {
            return Vec::new();
        };
        // Each row's first chunk that passes: whether it is looked at, and its place among equals.
        let mut first = vec![NONE; self.rows.bound()];
        for (chunk, place) in self.chunks.iter().zip(0..) {
            let first = &mut first[chunk.row as usize];
            if *first == NONE && passing.0[chunk.document as usize] {
                *first = place;
            }
        }
        let mut top = Top::new(count.saturating_mul(2).saturating_add(SPARE));
        let mut dots = [0; BLOCK];
        for (start, block) in self.rows.blocks() {
            let first = &first[start..start + block.scales.len()];
            quantise::dots(&quantised, &block.numbers, first.iter().map(|place| *place != NONE), &mut dots);
            for (n, ((&place, &scale), &dot)) in first.iter().zip(&block.scales).zip(&dots).enumerate() {
                if place != NONE {
                    top.push(Scored { score: quantised.score(dot, scale), place, row: (start + n) as u32 });
                }
            }
        }
        let best = top.sorted();
        let off = |scored: &Scored| {
            let scale = self.rows.get(scored.row).map_or(0.0, |(_, scale)| scale);
            DEVIATIONS * quantised.deviation(scale)
        };
        // At least `count` chunks score as much as this.
        let enough = best[..count.min(best.len())]
            .iter()
            .map(|scored| scored.score - off(scored))
            .fold(f32::INFINITY, f32::min);
        best.iter().filter(|scored| scored.score + off(scored) >= enough).map(|scored| scored.row).collect()
    }

    /// The `count` best chunks that pass, best first and equal ones by id, out of rows with their
    /// exact scores.
    pub(crate) fn ranked(
        &self,
        scores: &[(u32, f32)],
        passing: &Passing,
        count: usize,
    ) -> Vec<(f32, ChunkRow)> {
        let mut by_row = vec![f32::NAN; self.rows.bound()];
        for &(row, score) in scores {
            by_row[row as usize] = score;
        }
        let mut ranked: Vec<(f32, ChunkRow)> = self
            .chunks
            .iter()
            .filter(|chunk| passing.0[chunk.document as usize])
            .map(|chunk| (by_row[chunk.row as usize], *chunk))
            .filter(|(score, _)| !score.is_nan())
            .collect();
        // Stable, and chunks are in order of their ids.
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        ranked.truncate(count);
        ranked
    }
}
