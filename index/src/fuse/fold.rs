//! The same text in several versions of a documentation is one result, not five.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::Ranked;

/// What share of their word triples two texts have in common to say the same: a new release's page
/// differs in a number or a link.
const SAME: f32 = 0.85;

/// Leaves out passages that say, all but word for word, what a better one of another source says.
pub(super) fn fold(ranked: Vec<Ranked>) -> Vec<Ranked> {
    let first = ranked.first().map(|passage| passage.chunk.source.clone());
    if ranked.iter().all(|passage| Some(&passage.chunk.source) == first.as_ref()) {
        return ranked;
    }
    let mut kept: Vec<(Ranked, Vec<u64>)> = Vec::with_capacity(ranked.len());
    for passage in ranked {
        let triples = triples(&passage.chunk.chunk.text);
        let known = kept.iter().any(|(better, known)| {
            better.chunk.source != passage.chunk.source && in_common(known, &triples) >= SAME
        });
        if !known {
            kept.push((passage, triples));
        }
    }
    kept.into_iter().map(|(passage, _)| passage).collect()
}

/// Hashes of all runs of three words (of all words, where there are fewer), sorted and distinct.
fn triples(text: &str) -> Vec<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut hashes: Vec<u64> = words
        .windows(words.len().clamp(1, 3))
        .map(|words| {
            let mut hasher = DefaultHasher::new();
            words.hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Jaccard's index of two sorted sets: 1 for equal ones.
fn in_common(one: &[u64], other: &[u64]) -> f32 {
    let (shorter, longer) = if one.len() < other.len() { (one, other) } else { (other, one) };
    // No more than this can be in common.
    if (shorter.len() as f32) < longer.len() as f32 * SAME {
        return 0.0;
    }
    let common = shorter.iter().filter(|hash| longer.binary_search(hash).is_ok()).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 1.0 } else { common as f32 / all as f32 }
}
