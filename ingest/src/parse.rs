//! Markdown to blocks and headings with their places in the file.
//!
//! One parse for `.md` and `.mdx` ([`markdown::read`]), so that renaming a file changes nothing. What
//! CommonMark does not know (MDX imports and components, shortcodes, `:::` admonitions) arrives as
//! paragraphs and HTML blocks: it is text like any other, and structure around it stays what it is.

use std::ops::Range;

use lectern_index::markdown::{self, Heading, Headings};
use pulldown_cmark::{Event, Tag, TagEnd};

use crate::front_matter::{self, FrontMatter};

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// A paragraph.
    Paragraph,
    /// A heading, ATX or setext.
    Heading,
    /// A fenced or indented code block.
    Code,
    /// An HTML block or comment.
    Html,
    /// A block quote; holds blocks.
    Quote,
    /// A list; holds items.
    List,
    /// A list item; holds blocks, or bare text where its list is tight.
    Item,
    /// A footnote definition; holds blocks.
    Footnote,
    /// A table; holds its rows but for the header and the first, which are never parted.
    Table,
    /// A table's row.
    Row,
    /// A thematic break.
    Rule,
}

/// A block and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// How many blocks it is in; 0 for those of the document itself.
    pub depth: u16,
    /// Its first byte.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Index of the next block that is not inside this one.
    pub skip: u32,
}

/// A table with more than one row, so that it can be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its first byte.
    pub start: u32,
    /// First byte of the first row behind header and delimiter row.
    pub body: u32,
    /// One past its last byte.
    pub end: u32,
}

/// A parsed document. Every number is a byte offset into the file's text.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The front matter.
    pub front: FrontMatter,
    /// Where the body begins: behind the front matter, else 0.
    pub body: u32,
    /// The blocks in the order they begin, outer ones before those they hold.
    pub blocks: Vec<Block>,
    /// The headings in order.
    pub headings: Vec<Heading>,
    /// The tables that can be split, in order.
    pub tables: Vec<Table>,
    /// Inline code, without its backticks and what is around them.
    pub codes: Vec<(u32, u32)>,
}

impl Parsed {
    /// Front matter title, else the text of the first level-1 heading, else none.
    pub fn title(&self) -> Option<&str> {
        let first = || self.headings.iter().find(|heading| heading.level == 1 && !heading.text.is_empty());
        self.front.title.as_deref().or_else(|| first().map(|heading| heading.text.as_str()))
    }
}

/// Parses a document of at most 4 GiB. Never fails: every text is Markdown.
pub fn parse(text: &str) -> Parsed {
    let (front, body) = front_matter::split(text);
    let start = || Builder { text, ..Builder::default() };
    let builder = markdown::read(&text[body..], start, |builder, event, place| {
        builder.event(event, body + place.start..body + place.end);
    });
    Parsed { front, body: body as u32, ..builder.finish() }
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    parsed: Parsed,
    open: Vec<u32>,
    headings: Headings,
    table_rows: u32,
}

impl Builder<'_> {
    #[inline]
    fn event(&mut self, event: Event<'_>, place: Range<usize>) {
        self.headings.event(&event, &place);
        let (start, end) = (place.start as u32, place.end as u32);
        match event {
            Event::Start(tag) => self.start(&tag, start, end),
            Event::End(tag) => self.end(tag),
            Event::Rule => {
                self.push(BlockKind::Rule, start, end);
                self.close();
            }
            Event::Code(_) => self.parsed.codes.push((start, end)),
            _ => {}
        }
    }

    #[inline]
    fn start(&mut self, tag: &Tag<'_>, start: u32, end: u32) {
        let kind = match tag {
            Tag::Paragraph => BlockKind::Paragraph,
            Tag::Heading { .. } => BlockKind::Heading,
            Tag::CodeBlock(_) => BlockKind::Code,
            Tag::HtmlBlock => BlockKind::Html,
            Tag::BlockQuote(_) => BlockKind::Quote,
            Tag::List(_) => BlockKind::List,
            Tag::Item => BlockKind::Item,
            Tag::FootnoteDefinition(_) => BlockKind::Footnote,
            Tag::Table(_) => {
                self.table_rows = 0;
                BlockKind::Table
            }
            Tag::TableRow => {
                self.table_rows += 1;
                if self.table_rows == 1 {
                    let (table_start, table_end) =
                        self.parsed.blocks.last().map_or((start, end), |table| (table.start, table.end));
                    self.parsed.tables.push(Table { start: table_start, body: start, end: table_end });
                    return;
                }
                BlockKind::Row
            }
            _ => return,
        };
        self.push(kind, start, end);
    }

    #[inline]
    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::TableRow if self.table_rows == 1 => {}
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::BlockQuote(_)
            | TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::FootnoteDefinition
            | TagEnd::Table
            | TagEnd::TableRow => self.close(),
            _ => {}
        }
    }

    fn push(&mut self, kind: BlockKind, start: u32, end: u32) {
        let index = self.parsed.blocks.len() as u32;
        self.parsed.blocks.push(Block { kind, depth: self.open.len() as u16, start, end, skip: index + 1 });
        self.open.push(index);
    }

    fn close(&mut self) {
        let Some(index) = self.open.pop() else { return };
        let next = self.parsed.blocks.len() as u32;
        let block = &mut self.parsed.blocks[index as usize];
        block.skip = next;
        // A paragraph of nothing but white space is none.
        if block.start == block.end {
            self.parsed.blocks.pop();
        }
    }

    fn finish(mut self) -> Parsed {
        self.parsed.headings = self.headings.finish(self.text.len());
        self.parsed.tables.retain(|table| table.body < table.end);
        self.parsed
    }
}

#[cfg(test)]
mod tests;
