//! The headings of a document: what `heading` of `fetch_doc` chooses a section by. Pure.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

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
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_STRIKETHROUGH;
    let mut sections: Vec<Section> = Vec::new();
    let mut levels: Vec<HeadingLevel> = Vec::new();
    let mut anchors: HashMap<String, usize> = HashMap::new();
    let mut open: Option<(HeadingLevel, Option<String>, usize, String)> = None;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                open = Some((level, id.map(|id| id.to_string()), range.start, String::new()));
            }
            Event::Text(piece) | Event::Code(piece) => {
                if let Some((_, _, _, heading)) = &mut open {
                    heading.push_str(&piece);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, _, _, heading)) = &mut open {
                    heading.push(' ');
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, id, start, heading)) = open.take() else { continue };
                // Up to the beginning of its line: a section is whole lines.
                let start = text[..start].rfind('\n').map_or(0, |at| at + 1);
                for (section, known) in sections.iter_mut().zip(&levels) {
                    if *known >= level && section.bytes.end == text.len() {
                        section.bytes.end = start;
                    }
                }
                let anchor = id.unwrap_or_else(|| unique(slug(&heading), &mut anchors));
                sections.push(Section {
                    heading: heading.trim().to_owned(),
                    anchor,
                    bytes: start..text.len(),
                });
                levels.push(level);
            }
            _ => {}
        }
    }
    sections
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
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The slug, with a number where an earlier heading has the same.
fn unique(slug: String, known: &mut HashMap<String, usize>) -> String {
    let times = known.entry(slug.clone()).or_insert(0);
    *times += 1;
    if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
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
