//! The headings of a document: what `heading` of `fetch_doc` chooses a section by. Pure.

use std::ops::Range;

use lectern_index::markdown;

/// A heading and the section it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading's text, without its markup.
    pub heading: String,
    /// Its anchor: its `{#id}`, else GitHub's slug, deduplicated within the document.
    pub anchor: String,
    /// Whole lines, from the heading's to the next of its level or above, or to the end of the quote
    /// or list item it is in.
    pub bytes: Range<usize>,
}

/// The sections of a document without its front matter, in order; nested ones overlap.
pub fn sections(text: &str) -> Vec<Section> {
    let line_start = |at: u32| text[..at as usize].rfind('\n').map_or(0, |newline| newline + 1);
    let section = |heading: markdown::Heading| {
        let end = if heading.end as usize == text.len() { text.len() } else { line_start(heading.end) };
        let start = line_start(heading.start);
        Section { heading: heading.text, anchor: heading.anchor, bytes: start..end.max(start) }
    };
    markdown::headings(text).into_iter().map(section).collect()
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
    fn headings_in_quotes_end_no_section_around_them_and_hold_nothing_beyond() {
        let text = "## A\n\n> # Note\n>\n> x\n\nmore of A\n\n## B\n";
        let sections = sections(text);
        assert!(text[sections[0].bytes.clone()].ends_with("more of A\n\n"));
        assert_eq!(&text[sections[1].bytes.clone()], "> # Note\n>\n> x\n");
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
