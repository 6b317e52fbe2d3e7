//! The body as units: the smallest parts whose tokens are counted.

use std::ops::Range;

use lectern_index::tokens::{Tokenizer, begins_a_line};

use super::oversize::Cutter;
use crate::parse::Parsed;

/// Longest stretch of a line, in bytes, that is counted in one piece. Counting the white space of a long line
/// looks at the rest of it each time, so without a bound one long line takes quadratic time.
const LONG: usize = 2048;

/// Tokens that the two sides of a place where counts do not add up may be off by.
const JOINT: u32 = 4;

/// How many pieces of an oversize line a chunk holds at least: a breadcrumb and a table's header
/// take up to a quarter each, and a piece up to twice its size.
const PARTS: u32 = 4;

/// A block or a line with the blank lines behind it, or a piece of a line that alone exceeds the cap.
#[derive(Debug, Clone, Copy)]
struct Unit {
    start: u32,
    /// Tokens of all units before this one.
    before: u32,
    /// How many units up to here begin inside a line.
    pieces: u32,
    /// Whether counts add up here.
    exact: bool,
    /// At how many places up to here they do not.
    inexact: u32,
}

/// All units of a body, and one that is empty behind them.
pub(super) struct Units(Vec<Unit>);

impl Units {
    /// Counts a body that is not empty: block by block, and line by line those that are over the
    /// cap, so that most text is counted once and in long pieces. `room` is the cap, `overhead`
    /// what the tokenizer adds to every text; `fine` counts every line.
    pub(super) fn count(
        text: &str,
        parsed: &Parsed,
        (room, overhead): (u32, u32),
        fine: bool,
        tokenizer: &Tokenizer,
    ) -> Self {
        let mut counter = Counter {
            text,
            tokenizer,
            overhead,
            room,
            cutter: Cutter::new(tokenizer, overhead, (room / PARTS).max(4)),
            units: Vec::with_capacity(parsed.blocks.len() / 2 + 2),
            before: 0,
            inexact: 0,
            pieces: 0,
        };
        let body = parsed.body as usize;
        let (mut start, mut last) = (body, body..body);
        let mut cut = |counter: &mut Counter<'_>, at: usize| {
            // The first part takes the blank lines before it.
            if !text[start..at].trim().is_empty() {
                counter.block(start, at, fine);
                start = at;
            }
        };
        // A block that begins inside a line (to Markdown a carriage return alone ends one) goes to the
        // block before; link definitions are no blocks, and no part of the one before.
        let mut index = 0;
        while let Some(block) = parsed.blocks.get(index) {
            let next = block.start as usize;
            if let Some(newline) = text[last.start..next].rfind('\n') {
                let line = last.start + newline + 1;
                definitions(text, last.end.min(line)..line).into_iter().for_each(|at| cut(&mut counter, at));
                cut(&mut counter, line);
            }
            last = next..block.end as usize;
            index = block.skip as usize;
        }
        definitions(text, last.end..text.len()).into_iter().for_each(|at| cut(&mut counter, at));
        counter.block(start, text.len(), fine);
        counter.push(text.len(), false, true, 0);
        Self(counter.units)
    }

    /// How many units there are.
    pub(super) fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// First byte of a unit; the end of the text for the one behind the last.
    pub(super) fn start(&self, unit: usize) -> u32 {
        self.0[unit].start
    }

    /// Tokens of the units from `from` to before `to`, counted exactly if they are [`Units::exact`].
    pub(super) fn tokens(&self, from: usize, to: usize) -> u32 {
        self.0[to].before - self.0[from].before
    }

    /// By how many tokens [`Units::tokens`] may be wrong, to either side.
    pub(super) fn slack(&self, from: usize, to: usize) -> u32 {
        if from < to { JOINT * (self.0[to - 1].inexact - self.0[from].inexact) } else { 0 }
    }

    /// Whether counts add up at both ends of these units and at every place between them.
    pub(super) fn exact(&self, from: usize, to: usize) -> bool {
        self.0[from].exact && self.0[from].inexact == self.0[to].inexact
    }

    /// Whether a line is cut between two of these units: it alone is over the cap.
    pub(super) fn cut(&self, from: usize, to: usize) -> bool {
        from < to && self.0[from].pieces < self.0[to - 1].pieces
    }

    /// Whether a unit begins inside a line.
    pub(super) fn inside(&self, unit: usize) -> bool {
        self.cut(unit.saturating_sub(1), unit + 1)
    }

    /// The unit that holds a byte, looked for from `from` on.
    pub(super) fn holding(&self, byte: u32, from: usize) -> usize {
        self.at_or_after(byte + 1, from).max(1) - 1
    }

    /// The first unit that begins at a byte or behind it, looked for from `from` on, in time that
    /// grows with the logarithm of the distance.
    pub(super) fn at_or_after(&self, byte: u32, from: usize) -> usize {
        let units = &self.0;
        let mut step = 1;
        let mut low = from;
        while low + step < units.len() && units[low + step].start < byte {
            low += step;
            step *= 2;
        }
        let high = (low + step + 1).min(units.len());
        let found = low + units[low..high].partition_point(|unit| unit.start < byte);
        found.min(self.len())
    }
}

/// Whether the line that the text begins with is white space.
fn is_blank(text: &str) -> bool {
    !begins_a_line(text) && text.split('\n').next().is_none_or(|line| line.trim().is_empty())
}

/// Where the link definitions between two blocks begin, if there are any.
fn definitions(text: &str, between: Range<usize>) -> Option<usize> {
    let first = text[between.clone()].find(|c: char| !c.is_whitespace())?;
    let newline = text[..between.start + first].rfind('\n')?;
    (newline + 1 >= between.start).then_some(newline + 1)
}

struct Counter<'a> {
    text: &'a str,
    tokenizer: &'a Tokenizer,
    overhead: u32,
    /// The cap: what has more tokens is cut smaller.
    room: u32,
    cutter: Cutter<'a>,
    units: Vec<Unit>,
    before: u32,
    inexact: u32,
    pieces: u32,
}

impl Counter<'_> {
    fn push(&mut self, start: usize, inside: bool, exact: bool, tokens: u32) {
        self.inexact += u32::from(!exact);
        self.pieces += u32::from(inside);
        let (before, inexact, pieces) = (self.before, self.inexact, self.pieces);
        self.units.push(Unit { start: start as u32, before, pieces, exact, inexact });
        self.before += tokens;
    }

    fn tokens(&self, start: usize, end: usize) -> u32 {
        (self.tokenizer.count(&self.text[start..end]) as u32).saturating_sub(self.overhead)
    }

    /// A block with what is behind it: one unit if it is within the cap, else its lines.
    fn block(&mut self, start: usize, end: usize, fine: bool) {
        // A token is rarely more than four bytes: longer blocks are most likely over the cap.
        let long = LONG.max(self.room as usize * 4);
        if fine || end - start > long || !self.push_whole(start, end) {
            self.lines(start, end);
        }
    }

    fn push_whole(&mut self, start: usize, end: usize) -> bool {
        let tokens = self.tokens(start, end);
        if tokens <= self.room {
            self.push(start, false, self.exact_line(start, end), tokens);
        }
        tokens <= self.room
    }

    /// Whether counts add up before this line.
    fn exact_line(&self, start: usize, end: usize) -> bool {
        self.units.is_empty() || self.tokenizer.adds_up_after_newline(&self.text[start..end])
    }

    /// Each line with the blank lines behind it; blank lines at the beginning belong to the first
    /// line that is not.
    fn lines(&mut self, start: usize, end: usize) {
        let (mut from, mut at, mut blank) = (start, start, true);
        for line in self.text[start..end].split_inclusive('\n') {
            let begins = !is_blank(line);
            if begins && !blank {
                self.line(from, at);
                from = at;
            }
            blank &= !begins;
            at += line.len();
        }
        self.line(from, end);
    }

    fn line(&mut self, start: usize, end: usize) {
        let whole = match end - start <= LONG {
            true => self.push_whole(start, end),
            false => self.push_long(start, end),
        };
        if whole {
            return;
        }
        let first = end - self.text[start..end].trim_start().len();
        match self.text[start..first].rfind('\n') {
            // Too much with the blank lines before it: those are a unit of their own.
            Some(newline) if first < end => {
                self.line(start, start + newline + 1);
                self.line(start + newline + 1, end);
            }
            _ => self.cut(start, end),
        }
    }

    /// A long line as one unit if it is within the cap, counted stretch by stretch until it is not.
    fn push_long(&mut self, start: usize, end: usize) -> bool {
        let (mut at, mut tokens, mut inexact) = (start, 0, 0);
        while at < end && tokens <= self.room + inexact * JOINT {
            let next = self.stretch(at, end);
            tokens += self.tokens(at, next);
            inexact += u32::from(next < end && !self.adds_up(next));
            at = next;
        }
        if at < end {
            return false;
        }
        if inexact > 0 {
            // It is close or within: no more bytes than the cap's tokens have.
            tokens = self.tokens(start, end);
        }
        if tokens <= self.room {
            self.push(start, false, self.exact_line(start, end), tokens);
        }
        tokens <= self.room
    }

    /// Where the next stretch ends: before the last white space behind a word, where counts add up,
    /// else between any two characters.
    fn stretch(&self, start: usize, end: usize) -> usize {
        if end - start <= LONG {
            return end;
        }
        let hard = self.text.floor_char_boundary(start + LONG);
        let bytes = &self.text.as_bytes()[start..hard];
        let gap = bytes.windows(2).rposition(|pair| pair[0].is_ascii_graphic() && pair[1] == b' ');
        gap.map_or(hard, |gap| start + gap + 1)
    }

    /// Whether counts add up at this place inside a line.
    fn adds_up(&self, at: usize) -> bool {
        let (before, after) = self.text.split_at(at);
        let gap = after.starts_with(|c: char| c.is_whitespace() && c != '\n' && c != '\r');
        gap && !before.ends_with(char::is_whitespace) && self.tokenizer.adds_up_before_white_space()
    }

    /// The pieces of a line that is over the cap, and whose counts add up to more than it: where
    /// they would not, the difference goes to a place where they do not add up.
    fn cut(&mut self, start: usize, end: usize) {
        let (first, before) = (self.units.len(), self.before);
        let mut at = start;
        let mut ends = Vec::new();
        self.cutter.cut(&self.text[start..end], |piece| ends.push(start + piece));
        let mut spare = None;
        for (index, next) in ends.into_iter().enumerate() {
            let exact = if index == 0 { self.exact_line(start, end) } else { self.adds_up(at) };
            if index > 0 && !exact {
                spare.get_or_insert(first + index);
            }
            let tokens = self.tokens(at, next);
            self.push(at, index > 0, exact, tokens);
            at = next;
        }
        let missing = (self.room + 1).saturating_sub(self.before - before);
        if missing > 0
            && let Some(spare) = spare
        {
            self.units[spare..].iter_mut().for_each(|unit| unit.before += missing);
            self.before += missing;
        }
    }
}
