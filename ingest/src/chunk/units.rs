//! The body as units: the smallest parts whose tokens are counted.

use lectern_index::tokens::{Tokenizer, begins_a_line};

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
    /// Counts a body that is not empty. `room` is the cap, `overhead` what the tokenizer adds to
    /// every text.
    pub(super) fn count(text: &str, body: u32, room: u32, overhead: u32, tokenizer: &Tokenizer) -> Self {
        let body = body as usize;
        let mut counter = Counter {
            text,
            tokenizer,
            overhead,
            long: (room / 2).max(1),
            piece: (room as usize / 4).clamp(4, LONG),
            units: Vec::with_capacity((text.len() - body) / 48 + 2),
            before: 0,
            inexact: 0,
        };
        let mut start = body;
        let mut at = body;
        // Blank lines at the beginning belong to the first line that is not.
        let mut blank = true;
        for line in text[body..].split_inclusive('\n') {
            let begins = begins_a_line(line);
            if begins && !blank {
                counter.unit(start, at);
                start = at;
            }
            blank &= !begins;
            at += line.len();
        }
        counter.unit(start, at);
        counter.push(at, Cut::Line, true, 0);
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
    /// Tokens from which a unit is cut into pieces, in case it is over the cap.
    long: u32,
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

    fn unit(&mut self, start: usize, end: usize) {
        let exact = self.units.is_empty() || self.tokenizer.adds_up_after_newline(&self.text[start..end]);
        if end - start <= LONG {
            let tokens = self.tokens(start, end);
            if tokens <= self.long || end - start <= self.piece {
                self.push(start, Cut::Line, exact, tokens);
                return;
            }
        }
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
