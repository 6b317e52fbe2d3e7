//! The headings of a document: what `heading` of `fetch_doc` chooses a section by. Pure.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What ingest parses with, so that both see the same headings. `{#id}` is read here: as an option
/// of the parser it would eat the `{props}` of MDX.
const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_GFM);

/// A heading and the section it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading's text, without its markup.
    pub heading: String,
    /// Its anchor: its `{#id}`, else GitHub's slug, deduplicated within the document.
    pub anchor: String,
    /// The bytes from the heading to the next one of its level or above.
    pub bytes: Range<usize>,
}

/// The sections of a document, in order; nested ones overlap.
pub fn sections(text: &str) -> Vec<Section> {
    let mut outline = Outline { text, sections: Vec::new(), ranks: Vec::new(), anchors: HashMap::new() };
    let mut containers = 0;
    let mut heading: Option<(Rank, usize, String)> = None;
    for (event, range) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { level, .. }), _) => {
                heading = Some((Rank { containers, level }, range.start, String::new()));
            }
            (Event::End(TagEnd::Heading(_)), _) => {
                if let Some((rank, start, heading)) = heading.take() {
                    outline.open(rank, start, &heading);
                }
            }
            (Event::Text(piece) | Event::Code(piece), Some((_, _, heading))) => heading.push_str(&piece),
            (Event::SoftBreak | Event::HardBreak, Some((_, _, heading))) => heading.push(' '),
            (Event::Start(Tag::BlockQuote(_) | Tag::Item | Tag::FootnoteDefinition(_)), _) => containers += 1,
            (Event::End(TagEnd::BlockQuote(_) | TagEnd::Item | TagEnd::FootnoteDefinition), _) => {
                containers -= 1;
            }
            _ => {}
        }
    }
    outline.sections
}

/// Where a heading stands: in how many quotes and list items, and at which level.
#[derive(Clone, Copy)]
struct Rank {
    containers: u32,
    level: HeadingLevel,
}

struct Outline<'a> {
    text: &'a str,
    sections: Vec<Section>,
    ranks: Vec<Rank>,
    /// How often each slug was asked for again.
    anchors: HashMap<String, usize>,
}

impl Outline<'_> {
    fn open(&mut self, rank: Rank, start: usize, heading: &str) {
        // A section is whole lines.
        let start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text.len();
        for (section, known) in self.sections.iter_mut().zip(&self.ranks) {
            let inner = known.containers > rank.containers;
            let follows = known.containers == rank.containers && known.level >= rank.level;
            if section.bytes.end == end && (inner || follows) {
                section.bytes.end = start;
            }
        }
        let (heading, id) = take_id(heading.trim());
        let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
        let anchor = match id {
            Some(id) => {
                self.anchors.entry(id.to_owned()).or_insert(0);
                id.to_owned()
            }
            None => self.unique(slug(&heading)),
        };
        self.sections.push(Section { heading, anchor, bytes: start..end });
        self.ranks.push(rank);
    }

    /// The slug, with a number where it was given before.
    fn unique(&mut self, slug: String) -> String {
        let Some(known) = self.anchors.get(&slug) else {
            self.anchors.insert(slug.clone(), 0);
            return slug;
        };
        let mut number = *known;
        let unique = loop {
            number += 1;
            let candidate = format!("{slug}-{number}");
            if !self.anchors.contains_key(&candidate) {
                break candidate;
            }
        };
        self.anchors.insert(slug, number);
        self.anchors.insert(unique.clone(), 0);
        unique
    }
}

/// Takes `{#id}` (or `{#id .class}`) off the end of a heading.
fn take_id(heading: &str) -> (&str, Option<&str>) {
    let found = || {
        let inner = heading.strip_suffix('}')?;
        let at = inner.rfind('{')?;
        let id = inner[at + 1..].trim_start().strip_prefix('#')?.split_whitespace().next()?;
        Some((heading[..at].trim_end(), Some(id)))
    };
    found().unwrap_or((heading, None))
}

/// The first section whose heading or anchor is `wanted`; letter case, a leading `#` and markup
/// count for nothing.
pub fn find<'a>(sections: &'a [Section], wanted: &str) -> Option<&'a Section> {
    let anchor = wanted.trim().trim_start_matches('#').trim();
    let plain = plain(anchor);
    let by = |matches: &dyn Fn(&Section) -> bool| sections.iter().find(|section| matches(section));
    by(&|section| section.anchor == anchor)
        .or_else(|| by(&|section| section.heading == anchor))
        .or_else(|| by(&|section| self::plain(&section.heading) == plain && !plain.is_empty()))
}

/// A heading's letters and digits in lower case.
fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// GitHub's slug: lower case, spaces to dashes, no other punctuation than dashes and underscores.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
intro\n\n# The `Book`\n\ntext\n\n## Usage {#use}\n\n```sh\n# no heading\n```\n\n### Deep\n\nx\n\n## Usage\n\ny\n\nUsage\n-----\n\nz\n";

    #[test]
    fn sections_end_where_the_next_of_their_level_begins() {
        let sections = sections(TEXT);
        let found: Vec<(&str, &str, &str)> = sections
            .iter()
            .map(|s| {
                let lines = &TEXT[s.bytes.clone()];
                (s.heading.as_str(), s.anchor.as_str(), lines.trim_end().lines().last().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("The Book", "the-book", "z"),
                ("Usage", "use", "x"),
                ("Deep", "deep", "x"),
                ("Usage", "usage", "y"),
                ("Usage", "usage-1", "z"),
            ]
        );
    }

    #[test]
    fn headings_in_quotes_end_no_section_around_them() {
        let text = "## A\n\n> # Note\n>\n> x\n\nmore of A\n\n## B\n";
        let sections = sections(text);
        assert!(text[sections[0].bytes.clone()].ends_with("more of A\n\n"));
        assert_eq!(text[sections[1].bytes.clone()].trim_end().lines().last(), Some("more of A"));
    }

    #[test]
    fn headings_are_found_by_text_and_anchor() {
        let sections = sections(TEXT);
        let anchor = |wanted| find(&sections, wanted).map(|section| section.anchor.as_str());
        assert_eq!(anchor("usage-1"), Some("usage-1"));
        assert_eq!(anchor("#deep"), Some("deep"));
        assert_eq!(anchor("## Deep"), Some("deep"));
        assert_eq!(anchor("the book"), Some("the-book"));
        assert_eq!(anchor("Usage"), Some("use"));
        assert_eq!(anchor("nowhere"), None);
        assert_eq!(anchor(""), None);
    }
}
