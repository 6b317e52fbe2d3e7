//! What a chunk's searchable text has before its span.

use std::cell::OnceCell;

use lectern_index::chunk::MAX_HEADINGS;
use lectern_index::markdown::Heading;
use lectern_index::tokens::Tokenizer;

use super::units::Units;
use crate::parse::Parsed;

/// No text of this many bytes a token is worth counting: it is over any budget.
const BYTES_PER_TOKEN: usize = 32;

/// Breadcrumbs and table headers with their tokens.
pub(super) struct Contexts<'a> {
    text: &'a str,
    parsed: &'a Parsed,
    title: Option<String>,
    tokenizer: &'a Tokenizer,
    overhead: u32,
    /// Most tokens of a breadcrumb, and of a table's header: a quarter of the cap, so that at least
    /// half of it is left for the span.
    budget: u32,
    /// By heading; the first is that of no heading.
    crumbs: Vec<OnceCell<(String, u32)>>,
    tables: Vec<Header>,
}

/// The header of a table that may be split.
struct Header {
    /// Units of the table behind its first row, where a chunk repeats the header.
    units: (usize, usize),
    bytes: (u32, u32),
    tokens: u32,
}

impl<'a> Contexts<'a> {
    pub(super) fn new(
        text: &'a str,
        parsed: &'a Parsed,
        units: &Units,
        room: u32,
        overhead: u32,
        tokenizer: &'a Tokenizer,
    ) -> Self {
        let budget = room / 4;
        let title = parsed.title().map(|title| clip(title, budget as usize * BYTES_PER_TOKEN).to_owned());
        let crumbs = vec![OnceCell::new(); parsed.headings.len() + 1];
        let mut contexts =
            Self { text, parsed, title, tokenizer, overhead, budget, crumbs, tables: Vec::new() };
        let mut from = 0;
        for table in &parsed.tables {
            from = units.holding(table.start, from);
            let body = units.holding(table.body, from);
            let end = units.at_or_after(table.end, body);
            // Whole lines: in a list or block quote a table begins inside one.
            let line_start = |from: u32, byte: u32| {
                let newline = text[from as usize..byte as usize].rfind('\n');
                newline.map_or(from, |newline| from + newline as u32 + 1)
            };
            let bytes = (line_start(units.start(from), table.start), line_start(table.start, table.body));
            // A table of fewer tokens than the room is never split.
            if units.tokens(from, end) <= room / 4 || bytes.0 >= bytes.1 {
                continue;
            }
            let tokens = contexts.tokens(&text[bytes.0 as usize..bytes.1 as usize]);
            if tokens <= budget {
                contexts.tables.push(Header { units: (body, end), bytes, tokens });
            }
        }
        contexts
    }

    fn tokens(&self, text: &str) -> u32 {
        if text.len() > self.budget as usize * BYTES_PER_TOKEN {
            return u32::MAX;
        }
        (self.tokenizer.count(text) as u32).saturating_sub(self.overhead)
    }

    /// The deepest heading whose section holds the bytes from `start` to before `end`.
    pub(super) fn heading(&self, start: u32, end: u32) -> Option<u32> {
        let after = self.parsed.headings.partition_point(|heading| heading.start <= start);
        self.widen(after.checked_sub(1).map(|index| index as u32), end)
    }

    /// The heading itself or the next one outwards whose section reaches `end`.
    pub(super) fn widen(&self, mut heading: Option<u32>, end: u32) -> Option<u32> {
        while let Some(index) = heading {
            let candidate = &self.parsed.headings[index as usize];
            if candidate.end >= end {
                break;
            }
            heading = candidate.parent;
        }
        heading
    }

    /// A heading and those it is under, the outermost last; at most [`MAX_HEADINGS`].
    pub(super) fn outwards(&self, heading: Option<u32>) -> impl Iterator<Item = &'a Heading> {
        let at = |index: u32| &self.parsed.headings[index as usize];
        std::iter::successors(heading.map(at), move |heading| heading.parent.map(at)).take(MAX_HEADINGS)
    }

    /// `title > heading > heading` and an empty line, with its tokens; empty where there is neither.
    pub(super) fn crumb(&self, heading: Option<u32>) -> (&str, u32) {
        let index = heading.map_or(0, |index| index as usize + 1);
        let (crumb, tokens) = self.crumbs[index].get_or_init(|| self.shortened(heading, self.budget));
        (crumb, *tokens)
    }

    /// The breadcrumb in at most `budget` tokens: over it the outermost parts go first, since the
    /// deepest says most about the span, then the end of the last.
    pub(super) fn shortened(&self, heading: Option<u32>, budget: u32) -> (String, u32) {
        let texts = self.outwards(heading).map(|heading| heading.text.as_str());
        let mut parts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        if let Some(title) = self.title.as_deref()
            && parts.last() != Some(&title)
        {
            parts.push(title);
        }
        parts.reverse();
        let Some(&(mut last)) = parts.last() else { return (String::new(), 0) };
        for from in 0..parts.len() {
            let mut crumb = parts[from..].join(" > ");
            crumb.push_str("\n\n");
            let tokens = self.tokens(&crumb);
            if tokens <= budget {
                return (crumb, tokens);
            }
        }
        last = clip(last, budget as usize * BYTES_PER_TOKEN / 2);
        while !last.is_empty() {
            let crumb = format!("{last}\n\n");
            let tokens = self.tokens(&crumb);
            if tokens <= budget {
                return (crumb, tokens);
            }
            last = clip(last, last.len() - last.len().div_ceil(8)).trim_end();
        }
        (String::new(), 0)
    }

    /// More tokens than any breadcrumb has.
    pub(super) fn budget(&self) -> u32 {
        self.budget
    }

    /// The header that a chunk repeats which begins with this unit: that of a table begun before.
    pub(super) fn header(&self, unit: usize) -> Option<(&'a str, u32)> {
        let after = self.tables.partition_point(|table| table.units.0 < unit);
        let table = &self.tables[after.checked_sub(1)?];
        let (start, end) = table.bytes;
        (unit < table.units.1).then(|| (&self.text[start as usize..end as usize], table.tokens))
    }
}

/// The longest beginning of at most `bytes`.
fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
