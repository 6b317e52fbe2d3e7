//! What was cut for the embedder's sake reads as one: neighbours of one section become one passage.

use std::collections::HashMap;

use super::Ranked;
use crate::document::SourceName;

/// Tokens of a passage that others are joined to, at most: a page of text. Longer, and one passage
/// fills the caller's context.
const MAX_TOKENS: u32 = 1024;

/// What share of the better one's score a neighbour needs: less says that it is about something else.
const SHARE: f32 = 0.5;

/// Joins passages that follow one another in one section, into the place of the better one.
pub(super) fn join(ranked: Vec<Ranked>) -> Vec<Ranked> {
    let mut joined: Vec<Ranked> = Vec::with_capacity(ranked.len());
    // The first and the last chunk of every passage, to its place.
    let mut ends: HashMap<(SourceName, String, u32), usize> = HashMap::new();
    for passage in ranked {
        let stored = &passage.chunk;
        let end = |ordinal: u32| (stored.source.clone(), stored.path.clone(), ordinal);
        let ordinal = stored.chunk.ordinal;
        let neighbours = [ordinal.checked_sub(1), ordinal.checked_add(1)].into_iter().flatten();
        let better = neighbours
            .filter_map(|ordinal| ends.get(&end(ordinal)).copied())
            .filter(|place| belongs(&joined[*place], &passage))
            .min();
        let key = end(ordinal);
        match better {
            Some(place) => append(&mut joined[place], passage),
            None => joined.push(passage),
        }
        ends.insert(key, better.unwrap_or(joined.len() - 1));
    }
    joined
}

/// Whether `passage`, a neighbour of `better` or of what was joined to it, is to be joined to it.
fn belongs(better: &Ranked, passage: &Ranked) -> bool {
    let (one, other) = (&better.chunk.chunk, &passage.chunk.chunk);
    (one.end_byte == other.start_byte || other.end_byte == one.start_byte)
        && one.heading_path == other.heading_path
        && one.tokens.saturating_add(other.tokens) <= MAX_TOKENS
        && passage.score >= better.score * SHARE
}

fn append(better: &mut Ranked, passage: Ranked) {
    let (one, other) = (&mut better.chunk.chunk, passage.chunk.chunk);
    one.tokens += other.tokens;
    if one.end_byte == other.start_byte {
        one.text.push_str(&other.text);
        (one.end_byte, one.end_line) = (other.end_byte, other.end_line);
    } else {
        one.text.insert_str(0, &other.text);
        (one.start_byte, one.start_line) = (other.start_byte, other.start_line);
        (one.ordinal, one.context) = (other.ordinal, other.context);
    }
}
