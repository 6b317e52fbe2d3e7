//! Writing the chunks, each counted exactly.

use lectern_index::chunk::Chunk;

use super::Document;
use super::breaks::Breaks;
use super::pack::Group;

impl Document<'_> {
    /// The chunks of the groups, in order.
    pub(super) fn emit(&self, breaks: &Breaks, groups: &[Group]) -> Vec<Chunk> {
        let before = &self.text[..self.parsed.body as usize];
        let mut writer =
            Writer { document: self, chunks: Vec::with_capacity(groups.len()), line: 1 + newlines(before) };
        // Where counts do not add up a chunk can turn out to be over the cap: it is halved.
        let mut todo: Vec<(usize, usize)> = Vec::new();
        for group in groups {
            todo.push((group.from, group.to));
            while let Some((from, to)) = todo.pop() {
                if writer.write(from, to) {
                    continue;
                }
                match self.middle(breaks, from, to) {
                    Some(middle) => todo.extend([(middle, to), (from, middle)]),
                    None => writer.write_bare(from, to),
                }
            }
        }
        writer.chunks
    }

    /// The best place to halve units: a break, else any unit; `None` for a single one.
    fn middle(&self, breaks: &Breaks, from: usize, to: usize) -> Option<usize> {
        let half = self.units.tokens(from, to) / 2;
        let off = |&at: &usize| self.units.tokens(from, at).abs_diff(half);
        let inner = from + 1..to;
        let best = inner.clone().filter(|&at| breaks.level(at) > 0 && !breaks.sticky(at)).min_by_key(off);
        best.or_else(|| inner.clone().filter(|&at| breaks.level(at) > 0 && !breaks.parts(at)).min_by_key(off))
            .or_else(|| inner.clone().filter(|&at| breaks.level(at) > 0).min_by_key(off))
            .or_else(|| inner.min_by_key(off))
    }

    /// Breadcrumb, overlap and header of a chunk in at most `left` tokens, and how many they are.
    ///
    /// The overlap takes what is left, if it is `wanted`; a breadcrumb is shortened where a block fits
    /// only so, and a header left out where not even that is enough.
    fn context(&self, from: usize, to: usize, left: u32, wanted: bool) -> (String, u32) {
        let heading = self.contexts.heading(self.units.start(from), self.units.start(to));
        let header = self.contexts.header(from).filter(|&(_, tokens)| tokens <= left);
        let (header, header_tokens) = header.unwrap_or_default();
        let left = left - header_tokens;
        let (crumb, tokens) = self.contexts.crumb(heading);
        if tokens > left {
            let (crumb, tokens) = self.contexts.shortened(heading, left);
            return (crumb + header, tokens + header_tokens);
        }
        let overlap = if wanted { self.overlap_before(from, left - tokens) } else { "" };
        let context = [crumb, overlap, header].concat();
        let tokens = if overlap.is_empty() { tokens + header_tokens } else { self.count(&context) };
        (context, tokens)
    }

    /// The last lines before a chunk that continues a section, as many as fit; none where it begins
    /// with a heading, since what is before that is about something else.
    fn overlap_before(&self, from: usize, room: u32) -> &str {
        let room = room.min(self.overlap);
        let start = self.units.start(from);
        let begins_section = || {
            let headings = &self.parsed.headings;
            let line_end = self.units.start(from + 1);
            let next = headings.partition_point(|heading| heading.start < start);
            headings.get(next).is_some_and(|heading| heading.start < line_end)
        };
        if room == 0 || from == 0 || begins_section() {
            return "";
        }
        let mut first = from;
        while first > 0 && self.units.tokens(first - 1, from) <= room {
            first -= 1;
        }
        &self.text[self.units.start(first) as usize..start as usize]
    }

    /// Tokens of a text, without what the tokenizer adds to every one.
    pub(super) fn count(&self, text: &str) -> u32 {
        (self.tokenizer.count(text) as u32).saturating_sub(self.cap - self.room)
    }
}

struct Writer<'a> {
    document: &'a Document<'a>,
    chunks: Vec<Chunk>,
    /// The line of the next span's first byte.
    line: u32,
}

impl Writer<'_> {
    /// Writes the chunk of these units unless it is over the cap.
    fn write(&mut self, from: usize, to: usize) -> bool {
        let document = self.document;
        let (start, end) = (document.units.start(from), document.units.start(to));
        let span = &document.text[start as usize..end as usize];
        let exact = document.units.exact(from, to);
        let tokens = if exact { document.units.tokens(from, to) } else { document.count(span) };
        let joins = document.tokenizer.adds_up_after_newline(span);
        let mut left = document.room.saturating_sub(tokens);
        // Where counts do not add up the whole may be over the cap: then the context gives way, the
        // overlap first.
        for attempt in 0..4 {
            let (context, before) = document.context(from, to, left, attempt < 2);
            let total = match joins && (context.is_empty() || context.ends_with('\n')) {
                true => before + tokens + (document.cap - document.room),
                false => document.tokenizer.count(&[&context, span].concat()) as u32,
            };
            if total <= document.cap {
                self.push(start, end, total, context);
                return true;
            }
            left = before.saturating_sub(total - document.cap);
        }
        false
    }

    /// Writes units that no context fits before. A single character is written whatever it counts.
    fn write_bare(&mut self, from: usize, to: usize) {
        let (start, end) = (self.document.units.start(from), self.document.units.start(to));
        let tokens = self.document.tokenizer.count(&self.document.text[start as usize..end as usize]);
        self.push(start, end, tokens as u32, String::new());
    }

    fn push(&mut self, start: u32, end: u32, tokens: u32, context: String) {
        let document = self.document;
        let heading = document.contexts.heading(start, end);
        let outwards = || document.contexts.outwards(heading);
        let mut heading_path: Vec<String> = outwards().map(|heading| heading.text.clone()).collect();
        heading_path.reverse();
        let text = &document.text[start as usize..end as usize];
        let lines = newlines(text);
        self.chunks.push(Chunk {
            ordinal: self.chunks.len() as u32,
            start_byte: start,
            end_byte: end,
            start_line: self.line,
            end_line: self.line + lines - u32::from(text.ends_with('\n')),
            anchor: outwards().next().map(|heading| heading.anchor.clone()),
            heading_path,
            tokens,
            context,
            text: text.to_owned(),
        });
        self.line += lines;
    }
}

fn newlines(text: &str) -> u32 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u32
}
