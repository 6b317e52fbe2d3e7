use proptest::prelude::*;

use super::*;

fn outline(text: &str) -> Vec<(u8, String, String)> {
    headings(text).into_iter().map(|heading| (heading.level, heading.text, heading.anchor)).collect()
}

fn anchors(text: &str) -> Vec<String> {
    outline(text).into_iter().map(|(_, _, anchor)| anchor).collect()
}

#[test]
fn headings_are_those_of_commonmark() {
    let text =
        "# One\n\nTwo\nlines\n---\n\n```\n# no\n```\n\n    # no\n\n<!--\n# no\n-->\n### Th*r*ee `x` #\n";
    let expected = [(1, "One", "one"), (2, "Two lines", "two-lines"), (3, "Three x", "three-x")];
    assert_eq!(outline(text), expected.map(|(level, text, id)| (level, text.to_owned(), id.to_owned())));
}

#[test]
fn anchors_are_github_s() {
    assert_eq!(
        anchors("# a\n# a\n# A!\n# a-1\n# `fn main()` — Rust's\n# 中文 Ä\n"),
        ["a", "a-1", "a-2", "a-1-1", "fn-main--rusts", "中文-ä"]
    );
    assert_eq!(
        outline("# T {#my-id .x}\n# U {props}\n"),
        [(1, "T".into(), "my-id".into()), (1, "U {props}".into(), "u-props".into())]
    );
}

#[test]
fn sections_end_at_the_next_heading_of_their_level_or_with_their_container() {
    let text = "# A\n## B\n> ### Q\n> q\n\nb\n## C\n# D\n";
    let headings = headings(text);
    let section = |index: usize| {
        let heading = &headings[index];
        &text[heading.start as usize..heading.end as usize]
    };
    assert_eq!(section(0), "# A\n## B\n> ### Q\n> q\n\nb\n## C\n");
    assert_eq!(section(1), "## B\n> ### Q\n> q\n\nb\n");
    assert_eq!(section(2), "### Q\n> q\n");
    assert_eq!(section(3), "## C\n");
    let parents: Vec<_> = headings.iter().map(|heading| heading.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(0), None]);
}

fn texts(text: &str) -> Vec<String> {
    headings(text).into_iter().map(|heading| heading.text).collect()
}

#[test]
fn a_fence_inside_a_component_hides_headings_until_it_closes() {
    let tab = "<Fragment slot=\"npm\">\n```sh\n# one\nnpm i\n\n# two\nnpm i\n```\n</Fragment>\n";
    let tabs = format!("# A\n\n<Tabs>\n{tab}{tab}{tab}</Tabs>\n\n## B\n");
    assert_eq!(texts(&tabs), ["A", "B"]);
    let list =
        format!("# A\n\n1. text\n\n   {}\n## B\n", format!("<Tabs>\n{tab}{tab}").replace('\n', "\n   "));
    assert_eq!(texts(&list), ["A", "B"]);
    let quote = format!("# A\n\n> {}\n\n## B\n", tab.replace('\n', "\n> "));
    assert_eq!(texts(&quote), ["A", "B"]);
    assert_eq!(texts(&format!("\u{feff}{tabs}").replace('\n', "\r\n")), ["A", "B"]);
}

#[test]
fn html_is_html_where_no_fence_is_open_at_its_end() {
    let closed = "<div>\n```\n# no\n```\n# no\n\n# A\n";
    assert_eq!(texts(closed), ["A"]);
    let never_closed = "<div>\n```\n\n# A\n\n## B\n";
    assert_eq!(texts(never_closed), ["A", "B"]);
    for (begin, end) in [("<!--", "-->"), ("<pre>", "</pre>"), ("<SCRIPT x>", "</script>"), ("<?", "?>")] {
        let marked = format!("{begin}\n```\n{end}\n# A\n\n```\n# no\n```\n");
        assert_eq!(texts(&marked), ["A"], "{marked:?}");
    }
    let no_fence = "<div>\n    ```\n`` x\n``` a`b\n\n# A\n\n```\n# no\n```\n";
    assert_eq!(texts(no_fence), ["A"]);
}

#[test]
fn places_are_those_of_the_text() {
    let text = "\u{feff}<a title='é中'>\n```\n\n# no\n```\n\n# Ä\n";
    let heading = &headings(text)[0];
    assert_eq!(&text[heading.start as usize..heading.end as usize], "# Ä\n");
    let blocks = |blocks: &mut Vec<_>, event: Event<'_>, place| {
        if matches!(event, Event::Start(_)) {
            blocks.push(&text[place]);
        }
    };
    assert_eq!(read(text, Vec::new, blocks), ["<a title='é中'>\n", "```\n\n# no\n```", "# Ä\n"]);
}

/// Pages of components in which every fence closes. `gap` goes before each fence.
fn page(parts: &[(u8, u8)], gap: &str) -> String {
    let mut page = String::new();
    for (number, (kind, fence)) in parts.iter().enumerate() {
        let fence = ["```", "~~~", "````"][*fence as usize % 3];
        let code = format!("{gap}{fence}\n# no\n\n# no {number}\n\n<b>\n{fence}\n");
        page += &match kind % 4 {
            0 => format!("# {number}\n\n"),
            1 => format!("<Tabs>\n<Tab>\n{code}</Tab>\n</Tabs>\n\n"),
            2 => format!("<Tabs a={{1}}>\n{code}"),
            _ => format!("text\n\n{code}\n"),
        };
    }
    page
}

proptest! {
    #[test]
    fn a_blank_line_before_a_fence_changes_no_heading(parts in prop::collection::vec((any::<u8>(), Just(0)), 0..40)) {
        prop_assert_eq!(texts(&page(&parts, "")), texts(&page(&parts, "\n")));
    }

    #[test]
    fn so_it_is_with_fences_of_several_kinds(parts in prop::collection::vec(any::<(u8, u8)>(), 0..12)) {
        prop_assert_eq!(texts(&page(&parts, "")), texts(&page(&parts, "\n")));
    }
}
