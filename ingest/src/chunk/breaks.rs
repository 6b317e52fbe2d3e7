//! Where a chunk may begin.

use super::Document;
use crate::parse::{Block, BlockKind};

/// Before which units a chunk may begin, and how good that is; and where the outer blocks begin.
pub(super) struct Breaks {
    levels: Vec<u8>,
    /// The first unit of each block that is in no other, in their order.
    pub(super) roots: Vec<usize>,
}

/// A break that parts what belongs together: taken only where there is no other.
const STICKY: u8 = 0x80;

/// One that parts a paragraph from what it introduces, which is over the cap: taken before those.
const SOFT: u8 = 0x40;

// Better breaks are higher. Between blocks the outer the better; inside a block that is over the
// cap blank lines, then lines, then pieces of lines.
const PIECE: u8 = 1;
const LINE: u8 = 2;
const BLANK: u8 = 3;
const NESTED: u8 = 4;
const ROOT: u8 = 8;

impl Breaks {
    /// The next unit behind `unit`, at most `end`, before which a chunk may begin.
    pub(super) fn next(&self, unit: usize, end: usize) -> usize {
        let behind = self.levels[unit + 1..end].iter().position(|&level| level != 0);
        behind.map_or(end, |distance| unit + 1 + distance)
    }

    /// How good it is to begin a chunk here; 0 where none may.
    pub(super) fn level(&self, unit: usize) -> u8 {
        self.levels[unit] & !(STICKY | SOFT)
    }

    /// Whether a chunk that begins here leaves a heading, or a paragraph that introduces what
    /// follows, at the end of the one before.
    pub(super) fn sticky(&self, unit: usize) -> bool {
        self.levels[unit] & (STICKY | SOFT) != 0
    }

    /// Whether that could be helped: what follows is not over the cap anyway.
    pub(super) fn parts(&self, unit: usize) -> bool {
        self.levels[unit] & STICKY != 0
    }

    fn mark(&mut self, unit: usize, level: u8) {
        let sticky = self.levels[unit] & (STICKY | SOFT);
        self.levels[unit] = sticky | level.max(self.level(unit));
    }
}

impl Document<'_> {
    /// Walks the blocks from the outside in, and goes into those that are over the cap.
    pub(super) fn breaks(&self) -> Breaks {
        let mut breaks = Breaks { levels: vec![0; self.units.len() + 1], roots: Vec::new() };
        let blocks = &self.parsed.blocks;
        let mut index = 0;
        let mut done = 0;
        // The last that was over the cap: quotes in quotes have the same units, however many they are.
        let mut over = None;
        while let Some(block) = blocks.get(index) {
            let (start, end) = self.reach(block, done);
            if block.depth == 0 {
                breaks.roots.push(start);
            }
            self.mark_gap(&mut breaks, done, start);
            let level = ROOT.saturating_sub(block.depth.min(u16::from(ROOT)) as u8).max(NESTED);
            breaks.mark(start, level);
            breaks.mark(end, level);
            let whole = over != Some((start, end)) && self.fits_alone(start, end);
            if !whole {
                over = Some((start, end));
            }
            let next = if whole { block.skip as usize } else { index + 1 };
            if whole || block.skip as usize == index + 1 {
                if !whole {
                    self.mark_inside(&mut breaks, start, end);
                }
                done = done.max(end);
            } else {
                done = done.max(start);
            }
            self.mark_sticky(&mut breaks, block, (start, end));
            index = next;
        }
        self.mark_gap(&mut breaks, done, self.units.len());
        breaks
    }

    /// The units of a block, from `done` on. Its end can lie inside the line that the next one begins
    /// (a list ends behind the `>` of a quote), and a paragraph of white space in the blank lines
    /// behind another block: no two blocks share a unit.
    fn reach(&self, block: &Block, done: usize) -> (usize, usize) {
        let start = self.units.holding(block.start, done).max(done);
        let text = self.text[block.start as usize..block.end as usize].trim_end();
        let end = self.units.at_or_after(block.start + text.len() as u32, start);
        let Some(next) = self.parsed.blocks.get(block.skip as usize) else { return (start, end) };
        let unit = self.units.holding(next.start, start).max(start);
        if end <= unit {
            return (start, end);
        }
        let line = self.units.start(unit.min(end)).min(block.end);
        let shared = !self.text[line as usize..block.end.max(next.start) as usize].contains('\n');
        (start, if shared { unit } else { end })
    }

    /// Whether the units alone are within the cap: their breadcrumb is shortened if need be.
    fn fits_alone(&self, from: usize, to: usize) -> bool {
        !self.units.cut(from, to) && self.within(from, to, self.room)
    }

    /// Headings belong to what follows, and so does a paragraph to the code, list or table it
    /// introduces if both fit together, or to its beginning if that is over the cap.
    fn mark_sticky(&self, breaks: &mut Breaks, block: &Block, (start, end): (usize, usize)) {
        let next = self.parsed.blocks.get(block.skip as usize);
        if next.is_none() && block.kind == BlockKind::Heading && start < end {
            // Link definitions may follow, which are no blocks.
            breaks.levels[end] |= STICKY;
        }
        let Some(next) = next.filter(|next| next.depth == block.depth && start < end) else { return };
        let introduces = matches!(next.kind, BlockKind::Code | BlockKind::List | BlockKind::Table);
        if block.kind != BlockKind::Heading && (block.kind != BlockKind::Paragraph || !introduces) {
            return;
        }
        let (from, to) = self.reach(next, end);
        let sticky = match block.kind {
            BlockKind::Heading => STICKY,
            _ if !self.fits_alone(from, to) => SOFT,
            _ if self.fits(start, to, 0) => STICKY,
            _ => return,
        };
        breaks.levels[end] |= sticky;
        // White space before a line that is cut is a unit of its own.
        if self.text[self.units.start(end) as usize..self.units.start(from) as usize].trim().is_empty() {
            breaks.levels[from] |= sticky;
        }
    }

    /// Marks the units between two blocks (link definitions are no blocks) if they are too many.
    fn mark_gap(&self, breaks: &mut Breaks, from: usize, to: usize) {
        if from < to {
            breaks.mark(from, LINE);
            if !self.fits_alone(from, to) {
                self.mark_inside(breaks, from, to);
            }
        }
    }

    /// Marks the lines inside a block that is over the cap, and the pieces of lines that are.
    fn mark_inside(&self, breaks: &mut Breaks, from: usize, to: usize) {
        let mut line = from;
        while line < to {
            let mut next = line + 1;
            while next < to && self.units.inside(next) {
                next += 1;
            }
            if line > from {
                let before = &self.text[..self.units.start(line) as usize];
                let blank = before.ends_with("\n\n") || before.ends_with("\n\r\n");
                breaks.mark(line, if blank { BLANK } else { LINE });
            }
            if next > line + 1 && !self.fits_alone(line, next) {
                for unit in line + 1..next {
                    breaks.mark(unit, PIECE);
                }
            }
            line = next;
        }
    }
}
