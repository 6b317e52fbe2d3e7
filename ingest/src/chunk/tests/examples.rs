//! Each rule by an example that a person can read.

use super::*;

fn spans(text: &str, cap: u32) -> Vec<String> {
    chunks(text, cap).into_iter().map(|chunk| chunk.text).collect()
}

fn prose(words: usize) -> String {
    "word ".repeat(words).trim_end().to_owned() + "\n"
}

#[test]
fn nothing_has_no_chunks_and_white_space_has_one() {
    assert!(chunks("", 64).is_empty());
    assert!(chunks("---\ntitle: x\n---\n", 64).is_empty());
    assert!(chunks("\u{feff}---\ntitle: x\n---\n", 64).is_empty());
    assert_eq!(spans(" \n\n\t\n", 64), [" \n\n\t\n"]);
    assert_eq!(spans("\u{feff}# A\n", 64), ["\u{feff}# A\n"]);
}

#[test]
fn a_heading_never_ends_a_chunk() {
    let text = format!("# A\n\n{}\n## B\n\n### C\n\n{}", prose(50), prose(50));
    let chunks = chunks(&text, 80);
    assert_eq!(chunks.len(), 2);
    assert!(chunks[1].text.starts_with("## B\n\n### C\n"));
    assert_eq!(chunks[1].heading_path, ["A", "B"]);
}

#[test]
fn an_introduction_stays_with_what_it_introduces() {
    let code = format!("```\n{}```\n", "let x = 1;\n".repeat(6));
    let text = format!("{}\nRun this:\n\n{code}", prose(40));
    assert_eq!(spans(&text, 64), [prose(40) + "\n", format!("Run this:\n\n{code}")]);
}

#[test]
fn small_neighbours_are_merged_under_their_parent() {
    let text = "# Guide\n\nHello.\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n\n## Three\n\nThird.\n";
    let merged = chunks(text, 128);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].heading_path, ["Guide"]);
    let text = format!("# G\n\n{}\n## One\n\nFirst.\n\n## Two\n\nSecond.\n", prose(100));
    let merged = chunks(&text, 110);
    assert_eq!(merged.len(), 2);
    assert_eq!(merged[1].text, "## One\n\nFirst.\n\n## Two\n\nSecond.\n");
    assert_eq!(merged[1].heading_path, ["G"]);
    assert_eq!(merged[1].context, "G\n\n");
}

#[test]
fn a_split_table_repeats_its_header_in_the_searchable_text_only() {
    let rows: String = (0..40).map(|row| format!("| {row} | value |\n")).collect();
    let text = format!("# T\n\n| key | b |\n|---|---|\n{rows}");
    let chunks = chunks(&text, 100);
    assert!(chunks.len() > 2);
    for chunk in &chunks[1..] {
        assert_eq!(chunk.context, "T\n\n| key | b |\n|---|---|\n");
        assert!(chunk.text.starts_with("| "));
        assert!(!chunk.text.contains("key"));
    }
}

#[test]
fn items_and_fences_stay_whole() {
    let item = |number| format!("- item {number}\n\n  ```sh\n  # a comment\n  run {number}\n  ```\n\n");
    let text: String = (0..12).map(item).collect();
    let spans = spans(&text, 64);
    assert!(spans.len() > 2);
    for span in spans {
        assert!(span.starts_with("- item"), "{span:?}");
        assert_eq!(span.matches("```").count() % 2, 0);
    }
}

#[test]
fn the_breadcrumb_is_title_and_headings_without_repeating_the_title() {
    let text = "---\ntitle: Guide\n---\n# Guide\n\n## Usage\n\nText.\n";
    assert_eq!(chunks(text, 64)[0].context, "Guide\n\n");
    let text = format!("---\ntitle: Site\n---\n# Guide\n\n{}\n## Usage\n\n{}", prose(50), prose(50));
    assert_eq!(chunks(&text, 80)[1].context, "Site > Guide > Usage\n\n");
    assert_eq!(chunks("text\n", 64)[0].context, "");
}

#[test]
fn a_title_of_any_length_leaves_room() {
    let text = format!("---\ntitle: {}\n---\n# {}\n\n{}", prose(10_000), prose(500), prose(500));
    check(&text, 16, 0, "cl100k_base");
    check(&text, 512, 0, "cl100k_base");
    assert!(chunks(&text, 512).iter().all(|chunk| !chunk.context.is_empty()));
}

#[test]
fn overlap_is_the_text_before_and_never_in_the_span() {
    let lines: String = (0..60).map(|line| format!("Sentence number {line}.\n\n")).collect();
    let text = format!("# A\n\n{lines}## B\n\n{lines}");
    let chunks = chunk(&text, &parse(&text), &settings(100, 20), &Tokenizer::cl100k());
    for pair in chunks.windows(2) {
        let overlap = pair[1].context.split_once("\n\n").expect("there is a breadcrumb").1;
        assert_eq!(overlap.is_empty(), pair[1].text.starts_with("## B"), "{overlap:?}");
        assert!(pair[0].text.ends_with(overlap) && cl100k(overlap) <= 20);
    }
    check(&text, 100, 20, "cl100k_base");
}

#[test]
fn headings_inside_a_quote_hold_nothing_beyond_it() {
    let text = format!("# A\n\n> ## Q\n> quoted\n\n{}", prose(100));
    let chunks = chunks(&text, 64);
    assert_eq!(chunks.last().expect("there are some").heading_path, ["A"]);
}

#[test]
fn mdx_shortcodes_and_comments_leave_structure_alone() {
    let text = "import X from 'x';\n\n# A\n\n<!-- # no -->\n\n{{< tabs >}}\n\n## B\n\n<Tabs>\n\n```sh\n# no\n```\n\n</Tabs>\n\n:::note\n\ntext\n\n:::\n\n### C\n";
    let texts: Vec<_> = parse(text).headings.into_iter().map(|heading| heading.text).collect();
    assert_eq!(texts, ["A", "B", "C"]);
}

#[test]
fn lines_are_split_at_sentences_then_words() {
    let text = "One short sentence here. ".repeat(40) + "\n";
    let spans = spans(&text, 64);
    assert!(spans.len() > 2);
    assert!(spans[..spans.len() - 1].iter().all(|span| span.ends_with('.')), "{spans:?}");
}
