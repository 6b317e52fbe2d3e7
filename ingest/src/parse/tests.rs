use super::*;

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
