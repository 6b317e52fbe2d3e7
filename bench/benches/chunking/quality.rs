//! How good the chunks are, beside text-splitter's.
//!
//! A block is cut if one chunk does not hold all of it. Blocks over the cap must be cut by anybody, so
//! what counts is how many of those cut would have fitted, and how many chunks begin inside a block.

use std::collections::BTreeSet;
use std::ops::Range;

use lectern_ingest::parse::{Block, BlockKind, parse};

use crate::corpus::Document;
use crate::subjects::Subjects;

/// Figures of one chunker over the corpus.
#[derive(Default)]
struct Quality {
    chunks: usize,
    tokens: usize,
    crumbs: usize,
    cut: usize,
    /// Of those cut, blocks that are within the cap.
    cut_needlessly: usize,
    /// Chunks that begin inside a block.
    begin_inside: usize,
    headings_last: usize,
    /// Paragraphs parted from the code, list or table they introduce.
    parted: usize,
}

impl Quality {
    fn add(
        &mut self,
        subjects: &Subjects<'_>,
        document: &Document,
        cap: u32,
        chunks: &[(Range<usize>, usize)],
    ) {
        let count = |text: &str| subjects.tokenizer.count(text);
        self.introductions(document, chunks);
        self.chunks += chunks.len();
        self.tokens += chunks.iter().map(|(_, tokens)| tokens).sum::<usize>();
        self.crumbs += chunks.iter().filter(|(_, tokens)| *tokens < cap as usize / 10).count();
        let mut inside = BTreeSet::new();
        for block in parse(&document.text).blocks.iter().filter(|block| is_unit(block)) {
            let text = document.text[block.start as usize..block.end as usize].trim_end();
            let place = block.start as usize..block.start as usize + text.len();
            let behind = chunks.partition_point(|(chunk, _)| chunk.start <= place.start);
            let Some((chunk, _)) = behind.checked_sub(1).map(|index| &chunks[index]) else { continue };
            if place.end > chunk.end {
                self.cut += 1;
                self.cut_needlessly += usize::from(count(text) <= cap as usize);
                let last = chunks.partition_point(|(chunk, _)| chunk.start < place.end);
                inside.extend(behind..last);
            }
            let last_block = document.text[place.end..chunk.end.max(place.end)].trim().is_empty();
            let more = !document.text[place.end..].trim().is_empty();
            self.headings_last += usize::from(block.kind == BlockKind::Heading && last_block && more);
        }
        self.begin_inside += inside.len();
    }

    fn introductions(&mut self, document: &Document, chunks: &[(Range<usize>, usize)]) {
        let blocks = parse(&document.text).blocks;
        for pair in blocks.windows(2) {
            let [paragraph, next] = pair else { continue };
            let introduced = matches!(next.kind, BlockKind::Code | BlockKind::List | BlockKind::Table);
            if paragraph.kind == BlockKind::Paragraph && introduced && paragraph.depth == next.depth {
                let gap = paragraph.start as usize + 1..=next.start as usize;
                let first = chunks.partition_point(|(chunk, _)| chunk.start < *gap.start());
                let parted = chunks.get(first).is_some_and(|(chunk, _)| gap.contains(&chunk.start));
                self.parted += usize::from(parted);
            }
        }
    }

    fn row(&self, name: &str, cap: u32) {
        println!(
            "{name:<16} {cap:>5} {:>8} {:>9.1} % {:>11} {:>15} {:>13} {:>11} {:>13} {:>13}",
            self.chunks,
            100.0 * self.tokens as f64 / (self.chunks.max(1) * cap as usize) as f64,
            self.cut,
            self.cut_needlessly,
            self.begin_inside,
            self.crumbs,
            self.headings_last,
            self.parted,
        );
    }
}

/// Blocks that a reader wants whole: all but rows, which are parts of tables.
fn is_unit(block: &Block) -> bool {
    !matches!(block.kind, BlockKind::Row | BlockKind::Rule)
}

/// Prints the figures for every cap.
pub(crate) fn print(subjects: &Subjects<'_>) {
    println!(
        "\n{:<16} {:>5} {:>8} {:>11} {:>11} {:>15} {:>13} {:>11} {:>13} {:>13}",
        "quality",
        "cap",
        "chunks",
        "mean fill",
        "blocks cut",
        "that would fit",
        "begin inside",
        "under 10 %",
        "heading last",
        "intro parted"
    );
    for cap in [256, 512, 1024] {
        let (mut ours, mut theirs) = (Quality::default(), Quality::default());
        for document in &subjects.corpus.documents {
            let chunks = subjects.chunks(document, cap);
            let places: Vec<_> = chunks
                .iter()
                .map(|chunk| (chunk.start_byte as usize..chunk.end_byte as usize, chunk.tokens as usize))
                .collect();
            ours.add(subjects, document, cap, &places);
            let chunks = subjects.split_indices(document, cap);
            let places: Vec<_> = chunks
                .iter()
                .map(|&(at, text)| {
                    let start = document.body + at;
                    (start..start + text.len(), subjects.tokenizer.count(text))
                })
                .collect();
            theirs.add(subjects, document, cap, &places);
        }
        ours.row("lectern", cap);
        theirs.row("text-splitter", cap);
    }
    println!(
        "blocks: paragraphs, headings, code, HTML, quotes, lists, items, footnotes and tables; begin inside: chunks"
    );
    println!(
        "that begin inside one; that would fit: blocks cut although they have no more tokens than the cap"
    );
}
