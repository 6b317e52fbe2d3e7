//! Reading Markdown: one dialect for `.md` and `.mdx`, and the headings of a document. Pure.
//!
//! Ingest parses documents and serve finds their sections: both read here, so that they agree.

mod heading;
mod mdx;
mod slug;

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser};

pub use heading::{Heading, Headings};

/// CommonMark with GitHub's tables, footnotes, strikethrough, task lists and alerts.
///
/// Not smart punctuation, which changes text; not math, which eats `$PATH:$HOME`; not heading
/// attributes, which would eat the `{props}` of MDX (`{#id}` is read by [`Headings`]).
pub const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_GFM);

/// Hands each event of a text without front matter, with its place in bytes, to `visit`, which
/// makes a value of them beginning with what `start` returns. What starts does so behind the white
/// space it begins with: a line of that alone can be the first of a heading.
///
/// The text is CommonMark, unless that leaves a fence open where a blank line ends an HTML block.
/// Nobody means that: CommonMark has it that the fence is HTML, the code behind the blank line is
/// Markdown, its comments are headings, and the line that closes it opens another. Such a page is
/// written for MDX and is read as MDX reads it: a line of tags ends with the line, and what
/// stands between tags is Markdown.
pub fn read<V>(text: &str, start: impl Fn() -> V, visit: impl Fn(&mut V, Event<'_>, Range<usize>)) -> V {
    // A byte order mark is no part of the Markdown.
    let markdown = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offset = text.len() - markdown.len();
    let place = |text: &str, event: &Event<'_>, range: Range<usize>| {
        let start = match event {
            Event::Start(_) => range.end - text[range.clone()].trim_start().len(),
            _ => range.start,
        };
        start + offset..range.end + offset
    };
    let as_common_mark = || {
        let mut value = start();
        let mut watch = mdx::Watch::new(markdown);
        for (event, range) in Parser::new_ext(markdown, OPTIONS).into_offset_iter() {
            if watch.finds(&event, &range) {
                return None;
            }
            let place = place(markdown, &event, range);
            visit(&mut value, event, place);
        }
        Some(value)
    };
    // What the first reading made is gone before the second begins: documents may be large.
    as_common_mark().unwrap_or_else(|| {
        let mut value = start();
        let apart = mdx::with_tags_apart(markdown);
        for (event, range) in Parser::new_ext(&apart, OPTIONS).into_offset_iter() {
            let place = place(&apart, &event, range);
            visit(&mut value, event, place);
        }
        value
    })
}

/// The headings of a text without front matter, in order.
pub fn headings(text: &str) -> Vec<Heading> {
    read(text, Headings::default, |headings, event, range| headings.event(&event, &range)).finish(text.len())
}

#[cfg(test)]
mod tests;
