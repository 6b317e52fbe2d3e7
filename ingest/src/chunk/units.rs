//! The body as units: the smallest parts whose tokens are counted.

use lectern_index::tokens::{Tokenizer, begins_a_line};

use crate::parse::Parsed;

/// Longest unit, in bytes, that is counted in one piece. Counting the white space of a long line
/// looks at the rest of it each time, so without a bound one long line takes quadratic time.
const LONG: usize = 2048;

/// How well a document may be cut before a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// Anywhere between two characters, or between two words.
    Word,
    /// Behind a sentence.
    Sentence,
    /// At a line's start.
    Line,
}

/// A line with the blank lines behind it, or a part of one that is long.
#[derive(Debug, Clone, Copy)]
struct Unit {
    start: u32,
    /// Tokens of all units before this one.
    before: u32,
    cut: Cut,
    /// Whether counts add up here.
    exact: bool,
    /// At how many units up to this one they do not.
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
            piece: (room as usize / 4).clamp(4, LONG),
            units: Vec::with_capacity(parsed.blocks.len() / 2 + 2),
            before: 0,
            inexact: 0,
        };
        let (mut start, mut seen) = (parsed.body as usize, parsed.body as usize);
        let mut index = 0;
        // The first block takes the blank lines before it; a block that begins inside a line (a
        // lone carriage return ends the one before) goes to the block before.
        while let Some(block) = parsed.blocks.get(index) {
            let newline = text[seen..block.start as usize].rfind('\n').map(|newline| seen + newline + 1);
            if let Some(line) = newline.filter(|_| index > 0)
                && begins_a_line(&text[line..])
            {
                counter.block(start, line, fine);
                start = line;
            }
            seen = block.start as usize;
            index = block.skip as usize;
        }
        counter.block(start, text.len(), fine);
        counter.push(text.len(), Cut::Line, true, 0);
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

    /// Whether counts add up at both ends of these units and at every place between them.
    pub(super) fn exact(&self, from: usize, to: usize) -> bool {
        self.0[from].exact && self.0[from].inexact == self.0[to].inexact
    }

    pub(super) fn cut(&self, unit: usize) -> Cut {
        self.0[unit].cut
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

struct Counter<'a> {
    text: &'a str,
    tokenizer: &'a Tokenizer,
    overhead: u32,
    /// The cap: what has more tokens is cut smaller.
    room: u32,
    /// Longest piece in bytes. No byte is more than one token, so a piece always fits.
    piece: usize,
    units: Vec<Unit>,
    before: u32,
    inexact: u32,
}

impl Counter<'_> {
    fn push(&mut self, start: usize, cut: Cut, exact: bool, tokens: u32) {
        self.inexact += u32::from(!exact);
        let (before, inexact) = (self.before, self.inexact);
        self.units.push(Unit { start: start as u32, before, cut, exact, inexact });
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
        // No byte is more than one token, so what is as short as a piece fits without a question.
        let whole = tokens <= self.room || end - start <= self.piece;
        if whole {
            let exact = self.units.is_empty() || self.tokenizer.adds_up_after_newline(&self.text[start..end]);
            self.push(start, Cut::Line, exact, tokens);
        }
        whole
    }

    /// Each line with the blank lines behind it; blank lines at the beginning belong to the first
    /// line that is not.
    fn lines(&mut self, start: usize, end: usize) {
        let (mut from, mut at, mut blank) = (start, start, true);
        for line in self.text[start..end].split_inclusive('\n') {
            let begins = begins_a_line(line);
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
        if end - start <= LONG && self.push_whole(start, end) {
            return;
        }
        let exact = self.units.is_empty() || self.tokenizer.adds_up_after_newline(&self.text[start..end]);
        let (mut at, mut cut, mut exact) = (start, Cut::Line, exact);
        while at < end {
            let (next, next_cut, next_exact) = self.piece_end(at, end);
            let tokens = self.tokens(at, next);
            self.push(at, cut, exact, tokens);
            (at, cut, exact) = (next, next_cut, next_exact);
        }
    }

    /// Where the piece that begins at `start` ends: at the last line end within reach, else behind
    /// the last sentence, else word, else character.
    fn piece_end(&self, start: usize, end: usize) -> (usize, Cut, bool) {
        if end - start <= self.piece {
            return (end, Cut::Line, true);
        }
        let mut hard = self.text.floor_char_boundary(start + self.piece);
        if self.text[..hard].ends_with('\r') && self.text[hard..].starts_with('\n') {
            hard -= 1;
        }
        let window = &self.text[start..hard];
        if let Some(newline) = window.rfind('\n') {
            return (start + newline + 1, Cut::Line, false);
        }
        let mut word = None;
        let mut after = self.text[hard..].chars().next();
        for (at, c) in window.char_indices().rev() {
            let behind = at + c.len_utf8();
            let gap = after.is_some_and(|after| after.is_whitespace() && after != '\n' && after != '\r');
            if gap && !c.is_whitespace() {
                if matches!(c, '.' | '!' | '?' | ':' | ';') {
                    return (start + behind, Cut::Sentence, self.tokenizer.adds_up_before_white_space());
                }
                word.get_or_insert(start + behind);
            }
            if matches!(c, '。' | '！' | '？') {
                return (start + behind, Cut::Sentence, gap && self.tokenizer.adds_up_before_white_space());
            }
            after = Some(c);
        }
        match word {
            Some(word) => (word, Cut::Word, self.tokenizer.adds_up_before_white_space()),
            None => (hard, Cut::Word, false),
        }
    }
}
