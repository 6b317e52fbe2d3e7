// Blocks and sections, from the events of the parser and nothing else.

use std::ops::Range;

use lectern_index::markdown;
use pulldown_cmark::{Event, Tag, TagEnd};

/// A block as pulldown-cmark reports it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) kind: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) depth: usize,
    /// Of a heading: level, text, and where its section ends.
    pub(super) level: usize,
    pub(super) text: String,
    pub(super) section: usize,
}

/// The events of the body, placed in the whole text.
pub(super) fn events(text: &str, body: usize) -> Vec<(Event<'static>, Range<usize>)> {
    markdown::read(&text[body..], Vec::new, |events, event, range| {
        events.push((event.into_static(), range.start + body..range.end + body));
    })
}

/// The blocks in order, with the sections of headings.
pub(super) fn blocks(text: &str, body: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut heading = None;
    for (event, range) in events(text, body) {
        let kind = match &event {
            Event::Start(Tag::Paragraph) => "paragraph",
            Event::Start(Tag::Heading { .. }) => "heading",
            Event::Start(Tag::CodeBlock(_)) => "code",
            Event::Start(Tag::Table(_)) => "table",
            Event::Start(Tag::List(_)) => "list",
            Event::Start(Tag::Item) => "item",
            Event::Start(Tag::BlockQuote(_)) => "quote",
            Event::Start(Tag::FootnoteDefinition(_)) => "footnote",
            Event::End(TagEnd::Heading(_)) => {
                heading = None;
                continue;
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(index) = heading {
                    let block: &mut Block = &mut blocks[index];
                    block.text.push_str(text);
                }
                continue;
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(index) = heading {
                    let block: &mut Block = &mut blocks[index];
                    block.text.push(' ');
                }
                continue;
            }
            _ => continue,
        };
        // White space alone is no paragraph.
        if range.is_empty() {
            continue;
        }
        while open.last().is_some_and(|&index: &usize| {
            blocks[index].end <= range.start && !contains(&blocks[index], &range)
        }) {
            open.pop();
        }
        let level = if let Event::Start(Tag::Heading { level, .. }) = &event { *level as usize } else { 0 };
        if level > 0 {
            heading = Some(blocks.len());
        }
        blocks.push(Block {
            kind,
            start: range.start,
            end: range.end,
            depth: open.len(),
            level,
            text: String::new(),
            section: open
                .iter()
                .rev()
                .map(|&index| &blocks[index])
                .find(|b| b.kind != "list")
                .map_or(text.len(), |b| b.end),
        });
        if ["list", "item", "quote", "footnote"].contains(&kind) {
            open.push(blocks.len() - 1);
        }
    }
    sections(&mut blocks);
    blocks
}

fn contains(block: &Block, range: &Range<usize>) -> bool {
    block.start <= range.start && range.end <= block.end
}

/// A section ends at the next heading of the same or a higher level, if its container does not
/// end before.
fn sections(blocks: &mut [Block]) {
    for index in 0..blocks.len() {
        let text = blocks[index].text.trim();
        let is_id = |id: &str| id.trim_start().strip_prefix('#').is_some_and(|id| !id.trim().is_empty());
        let text = text
            .strip_suffix('}')
            .and_then(|text| text.rsplit_once('{'))
            .filter(|(_, id)| is_id(id))
            .map_or(text, |(text, _)| text);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // Longer texts are cut there.
        blocks[index].text = text[..text.floor_char_boundary(400)].to_owned();
        let (level, depth, end) = (blocks[index].level, blocks[index].depth, blocks[index].section);
        if level > 0 {
            let later = blocks[index + 1..].iter().take_while(|block| block.start < end);
            let next = later
                .filter(|block| block.level > 0 && block.level <= level && block.depth == depth)
                .map(|block| block.start)
                .next();
            blocks[index].section = next.unwrap_or(end);
        }
    }
}
