use super::*;

fn outline(text: &str) -> Vec<(u8, String, String)> {
    let parsed = parse(text);
    parsed.headings.into_iter().map(|heading| (heading.level, heading.text, heading.anchor)).collect()
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
    let parsed = parse(text);
    let section = |index: usize| {
        let heading = &parsed.headings[index];
        &text[heading.start as usize..heading.end as usize]
    };
    assert_eq!(section(0), "# A\n## B\n> ### Q\n> q\n\nb\n## C\n");
    assert_eq!(section(1), "## B\n> ### Q\n> q\n\nb\n");
    assert_eq!(section(2), "### Q\n> q\n");
    assert_eq!(section(3), "## C\n");
    let parents: Vec<_> = parsed.headings.iter().map(|heading| heading.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(0), None]);
}

#[test]
fn the_title_is_the_front_matter_s_else_the_first_heading_s() {
    assert_eq!(parse("---\ntitle: F\n---\n# H\n").title(), Some("F"));
    assert_eq!(parse("## no\n# H\n").title(), Some("H"));
    assert_eq!(parse("---\ntitle:\n---\nx").title(), None);
    assert_eq!(parse("\u{feff}# H\n").title(), Some("H"));
}

#[test]
fn blocks_nest_and_know_what_they_hold() {
    let parsed = parse("- a\n  ```\n  x\n  ```\n- b\n\n| h |\n|---|\n| 1 |\n| 2 |\n\np\n");
    use BlockKind::*;
    let seen: Vec<_> = parsed.blocks.iter().map(|block| (block.kind, block.depth, block.skip)).collect();
    assert_eq!(
        seen,
        [
            (List, 0, 4),
            (Item, 1, 3),
            (Code, 2, 3),
            (Item, 1, 4),
            (Table, 0, 6),
            (Row, 1, 6),
            (Paragraph, 0, 7)
        ]
    );
    assert_eq!(parsed.tables.len(), 1);
}

#[test]
fn items_behind_tabs_begin_in_their_own_line() {
    let text = "* a\n\t* b\n\t\t* c\n\t* d\n";
    let items = parse(text).blocks.into_iter().filter(|block| block.kind == BlockKind::Item);
    assert!(items.map(|block| &text[block.start as usize..]).all(|rest| !rest.starts_with('\n')));
}
