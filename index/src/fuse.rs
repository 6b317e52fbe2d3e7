//! From candidate lists to one ranking. Pure: no clock, no client.

use std::collections::HashMap;

use crate::chunk::ChunkId;
use crate::search::{Candidate, Found, StoredChunk};

/// A chunk with its final score; more is better, comparable within one answer only.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The fused score, 0 to 1.
    pub score: f32,
    /// The chunk.
    pub chunk: StoredChunk,
}

/// Fuses the two lists of `found` into one ranking: scores of each list scaled to 0…1 by its least
/// and greatest, then averaged over the lists that were asked for. Equal scores stand by chunk id.
pub fn fuse(found: Found) -> Vec<Ranked> {
    let lists = [found.lexical, found.dense];
    let used = lists.iter().filter(|list| !list.is_empty()).count().max(1) as f32;
    let mut fused: HashMap<ChunkId, Ranked> = HashMap::new();
    for list in lists {
        let greatest = list.iter().map(|c| c.score).fold(f32::MIN, f32::max);
        let least = list.iter().map(|c| c.score).fold(f32::MAX, f32::min);
        let span = greatest - least;
        for Candidate { score, chunk } in list {
            let scaled = if span > 0.0 { (score - least) / span } else { 1.0 };
            fused.entry(chunk.id).or_insert(Ranked { score: 0.0, chunk }).score += scaled / used;
        }
    }
    let mut ranked: Vec<Ranked> = fused.into_values().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.id.cmp(&b.chunk.id)));
    ranked
}
