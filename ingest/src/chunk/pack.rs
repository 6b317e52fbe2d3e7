//! Filling chunks.

use super::Document;
use super::breaks::Breaks;
use crate::parse::BlockKind;

/// A stretch of units that becomes a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) from: usize,
    pub(super) to: usize,
    /// How high the boundary before it is: the level of the heading it begins with, 7 within a
    /// section.
    height: u8,
    /// Whether a section ends where it does.
    closes: bool,
}

impl Group {
    /// Whether it holds whole sections (or what comes before the first), and nothing else.
    fn whole(&self) -> bool {
        self.height < INSIDE && self.closes
    }
}

/// A section's own blocks, with the headings they follow.
struct Run {
    from: usize,
    to: usize,
    height: u8,
    /// Where the headings behind the first begin, with their levels: each opens a section too.
    more: Vec<(usize, u8)>,
}

impl Run {
    fn group(&self, from: usize, to: usize) -> Group {
        Group { from, to, height: self.height(from), closes: self.height(to) < INSIDE }
    }

    /// The height of a boundary in it or at its ends.
    fn height(&self, unit: usize) -> u8 {
        if unit == self.from || unit == self.to {
            return self.height;
        }
        self.more.binary_search_by_key(&unit, |&(start, _)| start).map_or(INSIDE, |index| self.more[index].1)
    }
}

/// Bytes of the longest token there is in OpenAI's encodings. A `tokenizer.json` may take more for one
/// token that it does not know: what seldom fits is then said not to.
const LONGEST: usize = 128;

/// The height of a boundary that is not before a heading.
const INSIDE: u8 = 7;

impl Document<'_> {
    /// Fills chunks section by section, then merges neighbours: from the deepest headings up, so
    /// that a section finds its closest relatives first.
    pub(super) fn pack(&self, breaks: &Breaks) -> Vec<Group> {
        let mut groups = Vec::new();
        let runs = self.runs(breaks);
        for run in &runs {
            self.fill(run, breaks, &mut groups);
        }
        for height in (1..=INSIDE).rev() {
            self.merge(height, &mut groups);
        }
        groups
    }

    fn runs(&self, breaks: &Breaks) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut after_heading = false;
        let mut levels = self.parsed.headings.iter().filter(|heading| heading.depth == 0);
        let mut current = Run { from: 0, to: 0, height: 1, more: Vec::new() };
        let blocks = self.parsed.blocks.iter().filter(|block| block.depth == 0);
        debug_assert_eq!(blocks.clone().count(), breaks.roots.len());
        for (block, &start) in blocks.zip(&breaks.roots) {
            let is_heading = block.kind == BlockKind::Heading;
            if is_heading {
                let level = levels.next().map_or(1, |heading| heading.level);
                if after_heading {
                    current.height = current.height.min(level);
                    current.more.push((start, level));
                } else {
                    if start > current.from {
                        current.to = start;
                        let next = Run { from: start, to: 0, height: level, more: Vec::new() };
                        runs.push(std::mem::replace(&mut current, next));
                    }
                    current.height = level;
                }
            }
            after_heading = is_heading;
        }
        current.to = self.units.len();
        runs.push(current);
        runs
    }

    /// Whether a chunk of these units is within the cap under its whole breadcrumb, with `reserve`
    /// tokens to spare.
    pub(super) fn fits(&self, from: usize, to: usize, reserve: u32) -> bool {
        let header = self.contexts.header(from).map_or(0, |(_, tokens)| tokens);
        let left = self.room.saturating_sub(header + reserve);
        let (tokens, slack) = (self.units.tokens(from, to), self.units.slack(from, to));
        // Most are decided without counting a breadcrumb.
        tokens + slack + self.contexts.budget() <= left
            || tokens <= left + slack && {
                let heading = self.contexts.heading(self.units.start(from), self.units.start(to));
                self.within(from, to, left.saturating_sub(self.contexts.crumb(heading).1))
            }
    }

    /// Whether these units are at most `most` tokens: they are counted again where their sum does not
    /// tell, and could be so few.
    pub(super) fn within(&self, from: usize, to: usize, most: u32) -> bool {
        let (tokens, slack) = (self.units.tokens(from, to), self.units.slack(from, to));
        tokens + slack <= most
            || tokens <= most + slack && {
                let text = &self.text[self.units.start(from) as usize..self.units.start(to) as usize];
                text.len() <= most as usize * LONGEST && self.count(text) <= most
            }
    }

    fn fill(&self, run: &Run, breaks: &Breaks, groups: &mut Vec<Group>) {
        let first = groups.len();
        let mut from = run.from;
        while from < run.to {
            let to = self.furthest(from, run, breaks);
            groups.push(run.group(from, to));
            from = to;
        }
        if groups.len() > first + 1 {
            self.balance(run, groups, breaks);
        }
    }

    /// The best end of a chunk that begins with this unit: of the breaks that leave it at least half
    /// full the best, of equals the furthest.
    fn furthest(&self, from: usize, run: &Run, breaks: &Breaks) -> usize {
        let fitting = self.fitting(from, run, breaks);
        let Some(&last) = fitting.last() else {
            return self.squeezed(from, breaks.next(from, run.to), run, breaks);
        };
        if last == run.to {
            return last;
        }
        let half = self.units.tokens(from, last) / 2;
        let good = fitting.iter().rev().filter(|&&at| !breaks.sticky(at));
        let best = good
            .clone()
            .take_while(|&&at| self.units.tokens(from, at) >= half)
            .max_by_key(|&&at| (breaks.level(at), at))
            .or_else(|| good.clone().next())
            .or_else(|| fitting.iter().rev().find(|&&at| !breaks.parts(at)));
        best.copied().unwrap_or_else(|| self.squeezed(from, last, run, breaks))
    }

    /// The ends that a chunk which begins with this unit fits with, the nearest first: all up to the last
    /// of them, which is looked for in steps that double, since a look may count all that is before.
    fn fitting(&self, from: usize, run: &Run, breaks: &Breaks) -> Vec<usize> {
        let reserve = if from > run.from { self.overlap } else { 0 };
        let mut ends = vec![breaks.next(from, run.to)];
        let mut fitting = usize::from(self.fits(from, ends[0], 0));
        while fitting == ends.len() && ends[fitting - 1] < run.to {
            while ends.len() < 2 * fitting && ends[ends.len() - 1] < run.to {
                ends.push(breaks.next(ends[ends.len() - 1], run.to));
            }
            fitting += ends[fitting..].partition_point(|&to| self.fits(from, to, reserve));
        }
        ends.truncate(fitting);
        ends
    }

    /// What belongs together stays so at the cost of the breadcrumb: moves an end that would part
    /// it to the next break that does not, if all of that is within the cap; else to one that parts
    /// only what is over the cap anyway, if there is one.
    fn squeezed(&self, from: usize, end: usize, run: &Run, breaks: &Breaks) -> usize {
        let (mut last, mut at) = (end, end);
        while at < run.to && breaks.sticky(at) {
            at = breaks.next(at, run.to);
            if !self.within(from, at, self.room) {
                break;
            }
            if breaks.parts(last) || !breaks.parts(at) {
                last = at;
            }
        }
        last
    }

    /// Moves the boundary before the last group if that is small, so that both are about as full.
    fn balance(&self, run: &Run, groups: &mut [Group], breaks: &Breaks) {
        let [.., left, right] = groups else { return };
        let small = self.units.tokens(right.from, right.to);
        if small >= self.room / 4 {
            return;
        }
        let mut best = (small, right.from);
        let mut at = breaks.next(left.from, right.to);
        while at < right.from {
            let smaller = self.units.tokens(left.from, at).min(self.units.tokens(at, right.to));
            let allowed = !breaks.sticky(at) && breaks.level(at) >= breaks.level(right.from);
            if allowed && smaller > best.0 && self.fits(at, right.to, self.overlap) {
                best = (smaller, at);
            }
            at = breaks.next(at, right.to);
        }
        (*left, *right) = (run.group(left.from, best.1), run.group(best.1, right.to));
    }

    /// Merges neighbours whose boundary is at least this deep.
    fn merge(&self, height: u8, groups: &mut Vec<Group>) {
        let mut kept = 0;
        for index in 0..groups.len() {
            let mut group = groups[index];
            while kept > 0 && group.height >= height {
                let Some(merged) = self.merged(&groups[kept - 1], &group) else { break };
                group = merged;
                kept -= 1;
            }
            groups[kept] = group;
            kept += 1;
        }
        groups.truncate(kept);
    }

    /// Two neighbours as one: whole sections if one of them is under a quarter of the cap, parts of
    /// sections if one is under a tenth, and only if both fit together.
    fn merged(&self, left: &Group, right: &Group) -> Option<Group> {
        let whole = left.whole() && right.whole();
        let most = (if whole { self.room / 4 } else { self.room / 10 }).saturating_sub(1);
        let tokens = |group: &Group| self.units.tokens(group.from, group.to);
        let small = |group: &Group| self.within(group.from, group.to, most);
        // The smaller first: it hardly ever needs to be counted.
        let (one, other) = match tokens(left) < tokens(right) {
            true => (left, right),
            false => (right, left),
        };
        ((small(one) || small(other)) && self.fits(left.from, right.to, 0)).then_some(Group {
            to: right.to,
            closes: right.closes,
            ..*left
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_token_is_longer_than_the_longest() {
        let longest = |encoding: &tiktoken_rs::CoreBPE, last: u32| {
            let bytes = |token| encoding.decode_bytes(&[token]).map_or(0, |bytes| bytes.len());
            (0..last).map(bytes).max()
        };
        assert_eq!(longest(tiktoken_rs::cl100k_base_singleton(), 100_256), Some(super::LONGEST));
        assert_eq!(longest(tiktoken_rs::o200k_base_singleton(), 199_998), Some(super::LONGEST));
    }
}
