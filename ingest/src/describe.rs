//! What a document says of itself: a summary and the identifiers it is about. No model involved.

use std::collections::HashMap;

use crate::parse::{Block, BlockKind, Parsed};

/// Most characters of a summary that is not the author's own.
const SUMMARY: usize = 300;
/// Most entities.
const ENTITIES: usize = 20;
/// Bytes of code that are looked at for identifiers: a log pasted into a page is not about its words.
const CODE: usize = 200_000;

/// Front matter description, else the first paragraph of prose, cut to a few sentences.
pub fn summary(text: &str, parsed: &Parsed) -> Option<String> {
    if let Some(description) = &parsed.front.description {
        return Some(description.clone());
    }
    let is_paragraph = |block: &&Block| block.kind == BlockKind::Paragraph && block.depth == 0;
    parsed.blocks.iter().filter(is_paragraph).find_map(|block| prose(slice(text, block)))
}

fn slice<'a>(text: &'a str, block: &Block) -> &'a str {
    &text[block.start as usize..block.end as usize]
}

/// A paragraph as plain text; `None` for imports, components, shortcodes, images and the like.
fn prose(paragraph: &str) -> Option<String> {
    let paragraph = &paragraph[..paragraph.floor_char_boundary(8 * SUMMARY)];
    let start = paragraph.trim_start();
    let no_prose = ["import ", "export ", "{", "<", ":::", "![", "[![", "[["];
    if no_prose.iter().any(|prefix| start.starts_with(prefix)) {
        return None;
    }
    let text = plain(paragraph);
    if !text.chars().any(char::is_alphabetic) {
        return None;
    }
    Some(cut(text))
}

/// The text of a paragraph without its markup, on one line.
fn plain(paragraph: &str) -> String {
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    let mut text = String::new();
    let mut images = 0;
    for event in Parser::new(paragraph) {
        match event {
            Event::Start(Tag::Image { .. }) => images += 1,
            Event::End(TagEnd::Image) => images -= 1,
            Event::Text(part) | Event::Code(part) if images == 0 => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As many whole sentences as fit, else words and an ellipsis.
fn cut(mut text: String) -> String {
    if text.chars().count() <= SUMMARY {
        return text;
    }
    let end = text.char_indices().nth(SUMMARY).map_or(text.len(), |(at, _)| at);
    let head = &text[..end];
    let sentence = [". ", "! ", "? "].iter().filter_map(|stop| head.rfind(stop)).max();
    match sentence {
        Some(stop) if stop > end / 4 => text.truncate(stop + 1),
        _ => {
            text.truncate(head.rfind(' ').unwrap_or(end));
            text.push('…');
        }
    }
    text
}

/// Identifiers in headings, inline code and code blocks, most telling first, at most 20.
///
/// Telling is what stands in a heading, then in inline code, then in code blocks, and what stands
/// there often; a word that is not written like an identifier counts only as inline code.
pub fn entities(text: &str, parsed: &Parsed) -> Vec<String> {
    let mut scores: HashMap<&str, (u32, u32)> = HashMap::new();
    let mut order = 0;
    let mut add = |word, weight| {
        order += 1;
        let entry = scores.entry(word).or_insert((0, order));
        entry.0 += weight;
    };
    for heading in &parsed.headings {
        words(&heading.text).filter(|word| looks_made(word)).for_each(|word| add(word, 20));
    }
    let mut headings = parsed.blocks.iter().filter(|block| block.kind == BlockKind::Heading).peekable();
    for &(start, end) in &parsed.codes {
        let code = text[start as usize..end as usize].trim_matches(['`', ' ']);
        while headings.next_if(|heading| heading.end <= start).is_some() {}
        let weight = if headings.peek().is_some_and(|heading| heading.start <= start) { 40 } else { 10 };
        if code.len() <= 80 {
            words(code).for_each(|word| add(word, weight));
        }
    }
    let mut left = CODE;
    for block in parsed.blocks.iter().filter(|block| block.kind == BlockKind::Code) {
        let code = slice(text, block);
        let code = &code[..code.floor_char_boundary(left)];
        left -= code.len();
        words(code).filter(|word| looks_made(word)).for_each(|word| add(word, 1));
    }
    let mut found: Vec<_> = scores.into_iter().collect();
    found.sort_unstable_by_key(|&(_, (score, order))| (std::cmp::Reverse(score), order));
    found.into_iter().take(ENTITIES).map(|(word, _)| word.to_owned()).collect()
}

/// The identifiers of a text: letters, digits and `_`, joined by `.`, `::` or `-`, or a flag.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    text.split(move |c| !inner(c)).filter_map(|word| {
        let word = word.trim_end_matches(['.', ':', '-']).trim_start_matches(['.', ':']);
        let dashes = word.len() - word.trim_start_matches('-').len();
        let name = &word[dashes.min(word.len())..];
        let fine = (2..=60).contains(&name.len())
            && name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && dashes <= 2;
        fine.then_some(word)
    })
}

/// Whether a word is written like an identifier: `snake_case`, `CamelCase`, `a.b`, `a::b`, `--flag`,
/// `E0382`.
fn looks_made(word: &str) -> bool {
    let inner_upper =
        word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    let joined = word.contains('_') || word.contains("::") || word.trim_matches('.').contains('.');
    let code = word.starts_with(char::is_uppercase) && word.chars().any(|c| c.is_ascii_digit());
    inner_upper || joined || code || word.starts_with("--")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    fn summary_of(text: &str) -> Option<String> {
        summary(text, &parse(text))
    }

    fn entities_of(text: &str) -> Vec<String> {
        entities(text, &parse(text))
    }

    #[test]
    fn the_summary_is_the_description_else_the_first_prose() {
        assert_eq!(summary_of("---\ndescription: D\n---\nText.").as_deref(), Some("D"));
        let mdx =
            "import A from 'a';\n\n# T\n\n<A />\n\n![i](u)\n\n*Some* [linked](x) `code`\ntext.\n\nMore.";
        assert_eq!(summary_of(mdx).as_deref(), Some("Some linked code text."));
        assert_eq!(summary_of("# only\n\n- a\n"), None);
        let long = summary_of(&"This sentence has six words. ".repeat(40)).expect("there is prose");
        assert!(long.ends_with("words.") && long.chars().count() <= SUMMARY);
        assert!(summary_of(&"word ".repeat(400)).is_some_and(|cut| cut.ends_with("word…")));
    }

    #[test]
    fn entities_are_identifiers_the_most_telling_first() {
        let text = "# The `NewChatModel` call\n\nUse `stream_reader.Close` or `--no-verify` and `E0382`, see `x`.\n\n```go\nfoo := schema.Pipe(bar)\nfmt.Println(foo)\n```\n";
        let found = entities_of(text);
        assert_eq!(found[..4], ["NewChatModel", "stream_reader.Close", "--no-verify", "E0382"]);
        assert!(found.contains(&"schema.Pipe".to_owned()) && found.contains(&"fmt.Println".to_owned()));
        assert!(!found.contains(&"foo".to_owned()) && !found.contains(&"x".to_owned()));
        let many: String = (0..50).map(|n| format!("`name_{n}` ")).collect();
        assert_eq!(entities_of(&many).len(), ENTITIES);
        assert_eq!(entities_of(""), Vec::<String>::new());
    }
}
