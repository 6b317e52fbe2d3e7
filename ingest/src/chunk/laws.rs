// What must hold of the chunks of any text. Included by the tests and by the fuzz target, so it
// uses nothing but public interfaces, and reads Markdown on its own with pulldown-cmark.

use lectern_index::chunk::{Chunk, MAX_HEADINGS};
use pulldown_cmark::{Event, Tag, TagEnd};

#[path = "laws/blocks.rs"]
mod blocks;
use blocks::Block;

/// Tokens that the two sides of a joint may differ by, where counts do not add up: with that few to
/// spare a context may already be shortened.
const SLACK: usize = 3;

/// A text, what was made of it, and the reference that counts.
pub(crate) struct Case<'a> {
    pub(crate) text: &'a str,
    pub(crate) body: usize,
    pub(crate) title: Option<&'a str>,
    pub(crate) chunks: &'a [Chunk],
    pub(crate) cap: u32,
    pub(crate) overlap: u32,
    pub(crate) count: &'a dyn Fn(&str) -> usize,
}

impl Case<'_> {
    /// All laws.
    pub(crate) fn check(&self) {
        self.check_spans();
        self.check_structure();
    }

    /// The laws that citations and budgets rest on.
    pub(crate) fn check_spans(&self) {
        self.spans_tile_the_document();
        self.lines_are_right();
        self.no_chunk_is_over_the_cap();
        self.heading_paths_are_those_of_commonmark(&blocks::blocks(self.text, self.body));
    }

    /// The laws of good chunks: what stays together, what is said before.
    pub(crate) fn check_structure(&self) {
        self.chunks_end_at_line_ends();
        let blocks = blocks::blocks(self.text, self.body);
        self.the_breadcrumb_is_title_and_headings(&blocks);
        if self.overlap == 0 {
            self.blocks_are_cut_only_where_they_alone_are_over_the_cap(&blocks);
            self.no_heading_ends_a_chunk(&blocks);
            self.introductions_stay(&blocks);
            self.small_neighbours_are_merged(&blocks);
        }
        self.tables_repeat_their_header();
    }

    fn spans_tile_the_document(&self) {
        let mut at = self.body;
        for (ordinal, chunk) in self.chunks.iter().enumerate() {
            assert_eq!(chunk.ordinal as usize, ordinal);
            assert_eq!(chunk.start_byte as usize, at, "spans tile");
            assert!(chunk.start_byte < chunk.end_byte, "no span is empty");
            at = chunk.end_byte as usize;
            assert_eq!(chunk.text, self.text[chunk.start_byte as usize..at], "the text is the span");
        }
        assert_eq!(self.chunks.is_empty(), self.body >= self.text.len());
        assert!(self.chunks.is_empty() || at == self.text.len(), "spans reach the end");
    }

    fn lines_are_right(&self) {
        let (mut line, mut at) = (1, 0);
        for chunk in self.chunks {
            let (start, end) = (chunk.start_byte as usize, chunk.end_byte as usize);
            line += self.text[at..start].matches('\n').count();
            assert_eq!(chunk.start_line as usize, line, "first line");
            line += self.text.as_bytes()[start..end - 1].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(chunk.end_line as usize, line, "last line");
            line += usize::from(self.text[..end].ends_with('\n'));
            at = end;
        }
    }

    fn no_chunk_is_over_the_cap(&self) {
        for chunk in self.chunks {
            let counted = (self.count)(&chunk.searchable());
            assert_eq!(chunk.tokens as usize, counted, "counted exactly: {:?}", chunk.searchable());
            assert!(chunk.tokens <= self.cap, "{} tokens: {:?}", chunk.tokens, chunk.searchable());
        }
    }

    /// Except inside a line that alone exceeds the cap.
    fn chunks_end_at_line_ends(&self) {
        for pair in self.chunks.windows(2) {
            if pair[0].text.ends_with('\n') {
                continue;
            }
            let at = pair[1].start_byte as usize;
            let (start, end) = (self.unit_start(at), self.line_end(at));
            let tokens = (self.count)(&self.text[start..end]);
            assert!(tokens > self.cap as usize, "cut inside a line of {tokens}: {:?}", &pair[0].text);
        }
    }

    fn heading_paths_are_those_of_commonmark(&self, blocks: &[Block]) {
        for chunk in self.chunks {
            let path = self.path(blocks, chunk.start_byte as usize, chunk.end_byte as usize);
            assert_eq!(chunk.heading_path, path, "heading path of {:?}", chunk.text);
            assert_eq!(chunk.anchor.is_none(), path.is_empty());
        }
    }

    /// Where it takes at most a quarter of the cap and fits before the span; else it is shorter.
    fn the_breadcrumb_is_title_and_headings(&self, blocks: &[Block]) {
        for chunk in self.chunks {
            let path = self.path(blocks, chunk.start_byte as usize, chunk.end_byte as usize);
            let crumb = self.crumb(&path);
            if !chunk.context.starts_with(&crumb) && (self.count)(&crumb) <= self.cap as usize / 4 {
                let rest = chunk.context.split_once("\n\n").map_or(chunk.context.as_str(), |(_, rest)| rest);
                let whole = (self.count)(&[&crumb, rest, &chunk.text].concat());
                assert!(whole + SLACK > self.cap as usize, "{:?} is not {crumb:?}", chunk.context);
            }
        }
    }

    fn blocks_are_cut_only_where_they_alone_are_over_the_cap(&self, blocks: &[Block]) {
        for block in
            blocks.iter().filter(|block| ["code", "table", "item", "paragraph"].contains(&block.kind))
        {
            let (start, end) = (block.start, self.end_of(block));
            let cut = self.chunks.iter().any(|chunk| {
                let at = chunk.start_byte as usize;
                start < at && at < end
            });
            if cut && !self.shares_lines(start, end) {
                let (start, end) = (self.unit_start(start), self.blank_end(end));
                let tokens = (self.count)(&self.text[start..end]);
                assert!(
                    tokens > self.cap as usize,
                    "{} of {tokens} tokens was cut: {:?}",
                    block.kind,
                    &self.text[start..end]
                );
            }
        }
    }

    /// Except where it alone, with the blank lines around it, is over the cap, or what follows does not
    /// fit with it.
    fn no_heading_ends_a_chunk(&self, blocks: &[Block]) {
        for pair in self.chunks.windows(2) {
            let end = pair[0].start_byte as usize + pair[0].text.trim_end().len();
            let last = blocks
                .iter()
                .find(|block| block.kind == "heading" && block.depth == 0 && self.end_of(block) == end);
            let Some(heading) = last else { continue };
            let (from, to) = (self.unit_start(heading.start), self.blank_end(end));
            if (self.count)(&self.text[from..to]) > self.cap as usize {
                continue;
            }
            if self.text[pair[1].start_byte as usize..].trim().is_empty() {
                continue;
            }
            let next = self.first_of(blocks, &pair[1]);
            if self.shares_lines(heading.start, pair[1].start_byte as usize + next.len()) {
                continue;
            }
            let together = [&pair[0].searchable(), next].concat();
            assert!(
                (self.count)(&together) > self.cap as usize,
                "{:?} ends a chunk, and {next:?} follows",
                heading.text
            );
        }
    }

    fn introductions_stay(&self, blocks: &[Block]) {
        for (index, paragraph) in blocks.iter().enumerate().filter(|(_, block)| block.kind == "paragraph") {
            let Some(next) = blocks.get(index + 1) else { continue };
            let introduced = ["code", "list", "table"].contains(&next.kind) && next.depth == paragraph.depth;
            let (start, end) = (self.end_of(paragraph), self.line_start(next.start));
            let shared = self.shares_lines(paragraph.start, next.end);
            if !introduced || shared || end < start || !self.text[start..end].trim().is_empty() {
                continue;
            }
            if self.chunks.iter().any(|chunk| (start..=end).contains(&(chunk.start_byte as usize))) {
                // With the headings right before it or before the lists and quotes that begin with it:
                // those stay with it in turn.
                let before = blocks[..index].iter().rev();
                let opens = |block: &&Block| block.kind == "heading" || block.end >= paragraph.end;
                let headings = before.take_while(opens).filter(|block| block.kind == "heading");
                let first = headings.last().map_or(paragraph.start, |heading| heading.start);
                // And the blank lines that a document begins with: alone they would be a chunk of nothing.
                let (first, last) = (self.unit_start(first), self.blank_end(self.end_of(next)));
                let tokens = (self.count)(&self.text[first..last]) + self.crumb_around(first, last);
                assert!(
                    tokens > self.cap as usize,
                    "an introduction was parted: {:?}",
                    &self.text[first..last]
                );
            }
        }
    }

    /// Whole sections under a quarter of the cap, and anything under a tenth, join a neighbour if
    /// both fit together under their common parent.
    fn small_neighbours_are_merged(&self, blocks: &[Block]) {
        let opens = |at: usize| {
            at == self.body
                || at == self.text.len()
                || blocks
                    .iter()
                    .any(|b| b.kind == "heading" && b.depth == 0 && self.line_start(b.start) == at)
        };
        for pair in self.chunks.windows(2) {
            let (start, middle, end) =
                (pair[0].start_byte as usize, pair[1].start_byte as usize, pair[1].end_byte as usize);
            // It would need the table's header before it, which may be what does not fit.
            if blocks.iter().any(|b| b.kind == "table" && b.start < start && start < b.end) {
                continue;
            }
            // Sums over pieces of a line are estimates where a word is over the cap.
            if self.line_start(start) != start || self.shares_lines(start, end) {
                continue;
            }
            let whole = opens(start) && opens(middle) && opens(end);
            let least = (self.count)(&pair[0].text).min((self.count)(&pair[1].text));
            if least < (self.cap as usize / if whole { 4 } else { 10 }) && self.text[..middle].ends_with('\n')
            {
                let crumb = self.crumb(&self.path(blocks, start, end));
                let header = pair[0].context.len() - pair[0].context.find("\n\n").map_or(0, |at| at + 2);
                let tokens = (self.count)(&[&crumb, &self.text[start..end]].concat()) + header;
                let short = (self.count)(&crumb) <= self.cap as usize / 4;
                assert!(
                    tokens + SLACK > self.cap as usize || !short,
                    "not merged: {:?} {:?}",
                    pair[0].text,
                    pair[1].text
                );
            }
        }
    }

    /// In the searchable text of every chunk that begins with a later row, unless it takes more
    /// than a quarter of the cap.
    fn tables_repeat_their_header(&self) {
        let mut table = 0..0;
        let mut rows = Vec::new();
        let mut tables = Vec::new();
        for (event, range) in blocks::events(self.text, self.body) {
            match event {
                Event::Start(Tag::Table(_)) => (table, rows) = (range, Vec::new()),
                Event::Start(Tag::TableRow) => rows.push(range.start),
                Event::End(TagEnd::Table) => tables.push((table.clone(), std::mem::take(&mut rows))),
                _ => {}
            }
        }
        for (table, rows) in tables {
            let Some(&first) = rows.first().filter(|_| !self.shares_lines(table.start, table.end)) else {
                continue;
            };
            let header = &self.text[self.line_start(table.start)..self.line_start(first)];
            let small = (self.count)(header) <= self.cap as usize / 4;
            let starts = rows.iter().skip(1).map(|&row| self.line_start(row));
            for start in starts.filter(|_| small) {
                if let Some(chunk) = self.chunks.iter().find(|chunk| chunk.start_byte as usize == start) {
                    let whole = (self.count)(header) + (self.count)(&chunk.text);
                    let repeats = chunk.context.ends_with(header);
                    assert!(
                        repeats || whole + SLACK > self.cap as usize,
                        "{:?} lacks {header:?}",
                        chunk.context
                    );
                }
            }
        }
    }

    /// What a reader of the breadcrumb law expects it to be.
    fn crumb(&self, path: &[String]) -> String {
        let mut parts: Vec<&str> = path.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        if let Some(title) = self.title
            && parts.first() != Some(&title)
        {
            parts.insert(0, title);
        }
        if parts.is_empty() { String::new() } else { format!("{}\n\n", parts.join(" > ")) }
    }

    /// Most tokens that the context of a chunk in these bytes takes.
    fn crumb_around(&self, start: usize, end: usize) -> usize {
        let inside = |chunk: &&Chunk| (chunk.start_byte as usize) < end && chunk.end_byte as usize > start;
        self.chunks.iter().filter(inside).map(|chunk| self.crumb_tokens(chunk)).max().unwrap_or(0)
    }

    fn crumb_tokens(&self, chunk: &Chunk) -> usize {
        (self.count)(&chunk.context).max(self.cap as usize / 4)
    }

    fn path(&self, blocks: &[Block], start: usize, end: usize) -> Vec<String> {
        let holds = |block: &&Block| block.kind == "heading" && block.start <= start && block.section >= end;
        let mut path: Vec<String> = blocks.iter().filter(holds).map(|block| block.text.clone()).collect();
        path.drain(..path.len().saturating_sub(MAX_HEADINGS));
        path
    }

    /// The first block of a chunk with those that begin on its last line (a footnote does behind an
    /// empty one), or all of the chunk where they go beyond it.
    fn first_of(&self, blocks: &[Block], chunk: &Chunk) -> &str {
        let (start, end) = (chunk.start_byte as usize, chunk.end_byte as usize);
        let mut roots = blocks.iter().filter(|block| block.depth == 0 && block.start >= start);
        let Some(first) = roots.next().filter(|block| self.line_start(block.start) == start) else {
            return &self.text[start..end];
        };
        let mut last = self.end_of(first);
        for block in roots {
            if block.start < last || self.text[last..block.start].contains('\n') {
                break;
            }
            last = self.end_of(block);
        }
        if last <= end { &self.text[start..self.blank_end(last).min(end)] } else { &self.text[start..end] }
    }

    /// To Markdown a carriage return alone ends a line, to a citation it does not: blocks can share a
    /// line then, and chunks, which end at line ends, do not part them. Of white space, only spaces and
    /// tabs make no block.
    fn shares_lines(&self, start: usize, end: usize) -> bool {
        let lines = &self.text[self.line_start(start)..self.line_end(end)];
        lines.split('\n').any(|line| line.trim_matches([' ', '\t', '\r']).contains('\r'))
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[self.body..at].rfind('\n').map_or(self.body, |newline| self.body + newline + 1)
    }

    /// The line's start, for a blank one that of the line before it; blank lines at the beginning
    /// belong to the first line that is not.
    fn unit_start(&self, at: usize) -> usize {
        let line = &self.text[self.line_start(at)..];
        let blank = line.split('\n').next().is_none_or(|line| line.trim().is_empty());
        let text = &self.text[self.body..if blank { self.line_start(at) } else { at }];
        let start = self.line_start(self.body + if blank { text.trim_end().len() } else { text.len() });
        if self.text[self.body..start].trim().is_empty() { self.body } else { start }
    }

    fn line_end(&self, at: usize) -> usize {
        self.blank_end(at + self.text[at..].find('\n').unwrap_or(self.text.len() - at))
    }

    /// Behind the blank lines that follow.
    fn blank_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let blank = &rest[..rest.len() - rest.trim_start().len()];
        if blank.len() == rest.len() {
            self.text.len()
        } else {
            at + blank.rfind('\n').map_or(0, |newline| newline + 1)
        }
    }

    fn end_of(&self, block: &Block) -> usize {
        block.start + self.text[block.start..block.end].trim_end().len()
    }
}
