//! Telling pages of components from pages of HTML: see [`super::read`].

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

/// Elements whose content is no Markdown: they end, like comments, at a mark of their own.
const RAW: [&str; 4] = ["script", "pre", "style", "textarea"];
const MARKS: [&str; 7] = ["</script>", "</pre>", "</style>", "</textarea>", "-->", "?>", "]]>"];

/// Watches the events of a text for a fence that is open where a blank line ends its HTML block.
pub(super) struct Watch<'a> {
    text: &'a str,
    /// Whether an HTML block is being read that a blank line ends.
    in_html: bool,
    /// The fence that is open in it.
    open: Option<Fence>,
    /// A fence that never closes would hide all the rest: it and what follows is left to the HTML.
    given_up: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, in_html: false, open: None, given_up: false }
    }

    /// Whether that was found with the end of this event.
    #[inline]
    pub(super) fn finds(&mut self, event: &Event<'_>, place: &Range<usize>) -> bool {
        match event {
            Event::Start(Tag::HtmlBlock) => {
                self.in_html = !self.given_up && !is_raw(&self.text[place.clone()]);
            }
            Event::Html(_) if self.in_html => self.line(&self.text[place.clone()]),
            Event::End(TagEnd::HtmlBlock) => return self.end(&self.text[place.end..]),
            _ => {}
        }
        false
    }

    fn line(&mut self, line: &str) {
        match &self.open {
            Some(fence) if fence.is_closed_by(line) => self.open = None,
            Some(_) => {}
            None => self.open = Fence::opened_by(line),
        }
    }

    fn end(&mut self, rest: &str) -> bool {
        let Some(fence) = self.open.take() else { return false };
        let closes = rest.split(['\n', '\r']).any(|line| fence.is_closed_by(content(line)));
        self.given_up = !closes;
        closes
    }
}

/// The text with each line that is tags made a block of its own, all places unchanged.
pub(super) fn with_tags_apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\r']) {
        let tags = content(line);
        if is_tags(tags) {
            // To CommonMark a processing instruction, which ends where it says.
            let end = tags.trim_end();
            let before = &line[..line.len() - tags.len()];
            apart.extend([before, "<", &"?".repeat(end.len() - 2), ">", &tags[end.len()..]]);
        } else {
            apart.push_str(line);
        }
    }
    apart
}

/// Whether a line begins and ends with a tag, none of them of what is no Markdown.
fn is_tags(line: &str) -> bool {
    let begins = line
        .strip_prefix('<')
        .is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'));
    begins && line.trim_end().ends_with('>') && !is_raw(line) && !MARKS.iter().any(|mark| line.contains(mark))
}

/// Whether HTML that begins like this ends at a mark of its own.
fn is_raw(html: &str) -> bool {
    let tag = html.strip_prefix('<').unwrap_or(html);
    let name = tag.split(|c: char| c.is_ascii_whitespace() || c == '>').next().unwrap_or_default();
    name.starts_with(['!', '?']) || RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw))
}

/// A line without the markers of the quotes and items it is in, and the space before it.
fn content(line: &str) -> &str {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '>']);
        let marker = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        match marker.strip_prefix(['-', '*', '+', '.', ')']) {
            Some(item) if item.starts_with([' ', '\t']) => rest = item,
            _ => return rest,
        }
    }
}

/// What closes a fence: as many of its character or more.
struct Fence {
    character: char,
    length: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let (fence, info) = Self::begins(line)?;
        (fence.length >= 3 && !(fence.character == '`' && info.contains('`'))).then_some(fence)
    }

    fn is_closed_by(&self, line: &str) -> bool {
        Self::begins(line).is_some_and(|(fence, rest)| {
            fence.character == self.character && fence.length >= self.length && rest.trim().is_empty()
        })
    }

    /// The run of one character that a line begins with, and the rest. More than three spaces
    /// before it make it no fence.
    fn begins(line: &str) -> Option<(Self, &str)> {
        let run = line.trim_start_matches(' ');
        let character = run.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = run.trim_start_matches(character);
        let length = run.len() - rest.len();
        (line.len() - run.len() <= 3).then_some((Self { character, length }, rest))
    }
}
