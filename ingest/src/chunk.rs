//! Documents to chunks, in one pass: tokens are counted once, block by block, into prefix sums, and
//! everything after that compares numbers, but for the few places where sums do not tell.
//!
//! 1. [`units`] cuts the body into blocks, those over the cap into lines (with the blank lines behind
//!    them), and counts each; [`oversize`] cuts lines that alone exceed the cap.
//! 2. [`breaks`] says before which of them a chunk may begin: between blocks, and inside a block
//!    only where it alone is over the cap.
//! 3. [`pack`] fills chunks section by section, then merges small neighbouring sections.
//! 4. [`emit`] writes the chunks, each counted exactly: as a difference of prefix sums where the
//!    tokenizer's counts add up, else once more.
//!
//! The spans tile the body byte for byte, and no step depends on anything but its arguments.

mod breaks;
mod context;
mod emit;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod nasty;
mod oversize;
mod pack;
mod units;

use lectern_index::chunk::Chunk;
use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;

use crate::parse::Parsed;
use context::Contexts;
use units::Units;

/// The smallest cap that is honoured: below it a breadcrumb and a character do not fit together.
pub const MIN_CAP: u32 = 16;

/// Cuts a parsed document into chunks of at most `settings.max_tokens`, searchable text counted.
///
/// A document without a body has none. `parsed` must be what [`crate::parse::parse`] made of `text`.
pub fn chunk(text: &str, parsed: &Parsed, settings: &ChunkSettings, tokenizer: &Tokenizer) -> Vec<Chunk> {
    if parsed.body as usize >= text.len() {
        return Vec::new();
    }
    let cap = settings.max_tokens.max(MIN_CAP);
    let overhead = tokenizer.count("") as u32;
    let room = cap.saturating_sub(overhead).max(MIN_CAP / 2);
    let overlap = settings.overlap_tokens.min(room / 4);
    // An overlap is made of lines.
    let units = Units::count(text, parsed, (room, overhead), overlap > 0, tokenizer);
    let contexts = Contexts::new(text, parsed, &units, room, overhead, tokenizer);
    let document = Document { text, parsed, units, cap, room, overlap, contexts, tokenizer };
    let breaks = document.breaks();
    let groups = document.pack(&breaks);
    document.emit(&breaks, &groups)
}

/// What all steps look at.
struct Document<'a> {
    text: &'a str,
    parsed: &'a Parsed,
    units: Units,
    contexts: Contexts<'a>,
    tokenizer: &'a Tokenizer,
    /// The cap on a chunk's searchable text.
    cap: u32,
    /// The cap without what the tokenizer adds to every text.
    room: u32,
    /// Tokens of preceding text that a chunk repeats.
    overlap: u32,
}

#[cfg(test)]
mod tests;
