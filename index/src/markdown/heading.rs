//! Headings: their texts, anchors and the sections they open.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::slug::Slugs;

/// Longest heading text that is kept, in bytes. It stands in every chunk of its section, so
/// without a bound one paragraph-long setext heading would multiply a document's size.
const MAX_TEXT: usize = 400;

/// A heading and the section it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// First byte of the heading, which is the section's.
    pub start: u32,
    /// One past the section's last byte: where the next heading of the same or a higher level
    /// begins, or where the block quote or list item that holds the heading ends.
    pub end: u32,
    /// 1 to 6.
    pub level: u8,
    /// How many quotes, lists, items and footnotes the heading is in; 0 for those of the document itself.
    pub depth: u32,
    /// Index of the heading whose section this one is in.
    pub parent: Option<u32>,
    /// Its text without markup, on one line.
    pub text: String,
    /// Its anchor on a published page: `{#id}`, else GitHub's slug, deduplicated.
    pub anchor: String,
}

/// Collects the headings of a text from the events of its parse.
#[derive(Debug, Default)]
pub struct Headings {
    done: Vec<Heading>,
    /// Indices of the headings whose sections are still open.
    sections: Vec<u32>,
    /// How many quotes, lists, items and footnotes the next event is in.
    depth: u32,
    text: String,
    reading: bool,
    slugs: Slugs,
}

impl Headings {
    /// Takes the next event, and its place in bytes.
    #[inline]
    pub fn event(&mut self, event: &Event<'_>, place: &Range<usize>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.open(place.start as u32, *level as u8),
            Event::End(TagEnd::Heading(_)) => self.close(),
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_)) => {
                self.depth += 1;
            }
            Event::End(
                TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item | TagEnd::FootnoteDefinition,
            ) => {
                self.leave(place.end as u32);
                self.depth -= 1;
            }
            Event::Text(text) | Event::Code(text) if self.reading => self.text.push_str(text),
            Event::SoftBreak | Event::HardBreak if self.reading => self.text.push(' '),
            _ => {}
        }
    }

    /// The headings of a text that ends at byte `end`, in order.
    pub fn finish(mut self, end: usize) -> Vec<Heading> {
        for index in self.sections {
            self.done[index as usize].end = end as u32;
        }
        self.done
    }

    fn open(&mut self, start: u32, level: u8) {
        let depth = self.depth;
        while let Some(&index) = self.sections.last() {
            let last = &mut self.done[index as usize];
            if last.depth < depth || (last.depth == depth && last.level < level) {
                break;
            }
            last.end = start;
            self.sections.pop();
        }
        let parent = self.sections.last().copied();
        self.sections.push(self.done.len() as u32);
        self.reading = true;
        self.text.clear();
        self.done.push(Heading {
            start,
            end: 0,
            level,
            depth,
            parent,
            text: String::new(),
            anchor: String::new(),
        });
    }

    fn close(&mut self) {
        self.reading = false;
        let Some(heading) = self.done.last_mut() else { return };
        let (text, id) = take_id(self.text.trim_end());
        heading.text.reserve_exact(text.len().min(MAX_TEXT + 1));
        for word in text.split_whitespace() {
            if !heading.text.is_empty() {
                heading.text.push(' ');
            }
            heading.text.push_str(word);
            if heading.text.len() > MAX_TEXT {
                heading.text.truncate(heading.text.floor_char_boundary(MAX_TEXT));
                break;
            }
        }
        heading.text.shrink_to_fit();
        heading.anchor = match id {
            Some(id) => self.slugs.take(id.to_owned()),
            None => self.slugs.of(&heading.text),
        };
    }

    /// Closes the sections of the headings in the block that ends here.
    fn leave(&mut self, end: u32) {
        while let Some(&index) = self.sections.last() {
            let last = &mut self.done[index as usize];
            if last.depth < self.depth {
                break;
            }
            last.end = end;
            self.sections.pop();
        }
    }
}

/// Takes `{#id}` (or `{#id .class}`) off the end of a heading's text.
fn take_id(text: &str) -> (&str, Option<&str>) {
    let found = || {
        let inner = text.strip_suffix('}')?;
        let at = inner.rfind('{')?;
        let id = inner[at + 1..].trim_start().strip_prefix('#')?;
        let id = id.split_whitespace().next()?;
        Some((text[..at].trim_end(), Some(id)))
    };
    found().unwrap_or((text, None))
}
