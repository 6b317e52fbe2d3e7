//! From candidate lists to one ranking. Pure: no clock, no client.
//!
//! What each step is worth on labelled questions: `cargo bench --bench retrieval`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::analyse;
use crate::chunk::ChunkId;
use crate::query::Terms;
use crate::search::{Candidate, Found, StoredChunk};

mod fold;
mod join;

/// What the best match by words weighs against the best one by meaning, where it has all the words.
const WORDS: f32 = 2.0;

/// Of how many matches by words it counts how many of the words they have.
const COVERING: usize = 3;

/// What the second and third best passage of a document add to its others, each by its own score.
const SUPPORT: [f32; 2] = [0.1, 0.05];

/// A passage with its final score; more is better, comparable within one answer only.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The fused score: 1 for the best passage, 0 or more.
    pub score: f32,
    /// The chunk; where neighbours were joined, all of them as one.
    pub chunk: StoredChunk,
}

/// Makes one ranking of the two lists of `found`, which were found for `terms`.
///
/// Scores of both lists are scaled and added up, so that a clear winner of one list stays ahead; a
/// document supports its best passage with its next ones; what repeats in another source is folded,
/// and neighbours of one section become one passage. Equal scores stand by chunk id.
pub fn fuse(found: Found, terms: &Terms) -> Vec<Ranked> {
    let words = words(&found.lexical, terms, found.dense.is_empty());
    let mut scores: HashMap<ChunkId, Ranked> = HashMap::new();
    let lists = found.lexical.into_iter().zip(words).chain({
        let scaled = meaning(&found.dense);
        found.dense.into_iter().zip(scaled)
    });
    for (Candidate { chunk, .. }, score) in lists {
        scores.entry(chunk.id).or_insert(Ranked { score: 0.0, chunk }).score += score;
    }
    let mut ranked: Vec<Ranked> = scores.into_values().collect();
    support(&mut ranked);
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.id.cmp(&b.chunk.id)));
    let best = ranked.first().map_or(1.0, |best| best.score);
    if best > 0.0 {
        ranked.iter_mut().for_each(|passage| passage.score /= best);
    }
    join::join(fold::fold(ranked))
}

/// Scores of the list by words. BM25 has a zero, a passage with none of them, so they are divided by
/// the greatest. Beside a list by meaning it counts how much of the question the best of them cover:
/// most words of a question in sentences are in no passage together, and a match of one or two of
/// them says little.
fn words(list: &[Candidate], terms: &Terms, alone: bool) -> Vec<f32> {
    let greatest = list.iter().map(|candidate| candidate.score).fold(0.0, f32::max);
    let weight = if alone { 1.0 } else { WORDS * covered(list, terms) };
    let scaled = |score: f32| if greatest > 0.0 { score / greatest } else { 0.0 };
    list.iter().map(|candidate| weight * scaled(candidate.score)).collect()
}

/// The share of the terms that a passage at the head of the list has.
fn covered(list: &[Candidate], terms: &Terms) -> f32 {
    let sought: HashSet<&str> = terms.as_slice().iter().map(String::as_str).collect();
    let head = &list[..list.len().min(COVERING)];
    let shares = head.iter().map(|candidate| {
        let stored = &candidate.chunk;
        let mut known = HashSet::new();
        for field in analyse::fields(stored.title.as_deref(), &stored.chunk) {
            known.extend(field.split(' ').filter_map(|term| sought.get(term).copied()));
        }
        known.len() as f32 / sought.len().max(1) as f32
    });
    shares.sum::<f32>() / head.len().max(1) as f32
}

/// Scores of the list by meaning. Cosines have no zero that says "nothing to do with it", so the
/// list's own ends are its scale.
fn meaning(list: &[Candidate]) -> Vec<f32> {
    let scores = || list.iter().map(|candidate| candidate.score);
    let (least, greatest) = (scores().fold(f32::MAX, f32::min), scores().fold(f32::MIN, f32::max));
    let span = greatest - least;
    scores().map(|score| if span > 0.0 { (score - least) / span } else { 1.0 }).collect()
}

/// Adds what speaks for the document: its next best passages.
fn support(ranked: &mut [Ranked]) {
    let mut documents: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (place, passage) in ranked.iter().enumerate() {
        let document = (passage.chunk.source.to_string(), passage.chunk.path.clone());
        documents.entry(document).or_default().push(place);
    }
    for places in documents.into_values() {
        let mut scores: Vec<f32> = places.iter().map(|place| ranked[*place].score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let more: f32 = scores[1..].iter().zip(SUPPORT).map(|(score, share)| score * share).sum();
        for place in places {
            ranked[place].score += more;
        }
    }
}

#[cfg(test)]
mod tests;
