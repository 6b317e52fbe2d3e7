//! Input made to break a chunker. Nothing here is timed: a step that is not linear does not finish.

use super::*;

/// Chunks it, and checks what can be checked of megabytes.
fn survive(text: &str) -> usize {
    survive_with(text, &Tokenizer::cl100k())
}

fn survive_with(text: &str, tokenizer: &Tokenizer) -> usize {
    let parsed = parse(text);
    let chunks = chunk(text, &parsed, &settings(512, 0), tokenizer);
    let mut at = parsed.body;
    for chunk in &chunks {
        assert_eq!(chunk.start_byte, at);
        assert!(chunk.tokens <= 512 && chunk.start_byte < chunk.end_byte);
        at = chunk.end_byte;
    }
    assert_eq!(at as usize, text.len());
    let paths: usize = chunks.iter().flat_map(|chunk| &chunk.heading_path).map(String::len).sum();
    assert!(paths <= 8 * text.len(), "paths of {paths} bytes for {}", text.len());
    chunks.len()
}

#[test]
fn one_repeated_character() {
    for c in [
        "a",
        " ",
        "\n",
        "\r",
        "\t",
        "#",
        "`",
        "*",
        "_",
        "[",
        "]",
        "(",
        "<",
        ">",
        "|",
        "-",
        "=",
        "~",
        ":",
        "{",
        "!",
        "\\",
        "/",
        "&",
        "1",
        ".",
        "é",
        "中",
        "\u{3000}",
        "\u{301}",
        "😀",
        "\r\n",
        "> ",
        "- ",
        "1. ",
        "# \n",
        "a\n",
        "\u{3000}中",
        "a ",
        "/\n",
        "| ",
        "[a](",
        "![",
        "<a ",
        "<!--",
        "[^a]",
        "*a_ ",
        "`` ` ",
        "- a\n",
        "\\\n",
    ] {
        survive(&c.repeat(100_000 / c.len()));
    }
}

#[test]
fn ten_megabytes_of_one_character() {
    let characters = ["a", " ", "\n", "中", "a ", "a\n", "\u{3000}\u{3000}中"];
    characters.par_iter().for_each(|c| assert!(survive(&c.repeat(10_000_000 / c.len())) > 0));
}

#[test]
fn a_million_headings() {
    survive(&"# a\n".repeat(1_000_000));
    survive(&(0..200_000).map(|n| format!("{} h\n", "#".repeat(1 + n % 6))).collect::<String>());
}

#[test]
fn a_million_backticks() {
    survive(&"`".repeat(1_000_000));
    survive(&"`a``b```c".repeat(100_000));
    survive(&"```\n".repeat(250_000));
}

#[test]
fn deep_nesting() {
    survive(&"> ".repeat(50_000));
    survive(&format!("{}a", "- ".repeat(50_000)));
    survive(&(0..300).map(|depth| format!("{}- a\n", "  ".repeat(depth))).collect::<String>());
    survive(&(0..300).map(|depth| format!("{}> a\n", "> ".repeat(depth))).collect::<String>());
    let headings = |depth| format!("{} # {}\n", ">".repeat(depth), "a ".repeat(200));
    let deep: String = (1..2000).map(headings).collect();
    survive(&format!("{deep}{} {}", ">".repeat(2000), "a ".repeat(1_000_000)));
}

#[test]
fn long_tables_and_lists() {
    survive(&format!("| a | b |\n|---|---|\n{}", "| 1 | 2 |\n".repeat(100_000)));
    survive(&"| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 2 |\n\n".repeat(20_000));
    survive(&"- a\n  - b\n    - c\n".repeat(50_000));
    survive(&"a:\n\n- b\n\n".repeat(50_000));
    survive(&"[a]: /b\n".repeat(100_000));
}

/// Lines that belong to the token before, so that no sum of them tells anything.
#[test]
fn tokens_that_reach_over_lines() {
    let o200k = Tokenizer::by_name("o200k_base").expect("it is known");
    for line in ["/\n", "//\n", "/.\n", "/\n\n", "/\n=\n", "- /\n", "> /\n", "/ a.\n"] {
        survive_with(&line.repeat(300_000 / line.len()), &o200k);
    }
    survive_with(&format!("{}{}", "> ".repeat(1000), "/.\n".repeat(50_000)), &o200k);
    survive_with(&format!("{}{}", "- ".repeat(1000), "/.\n".repeat(50_000)), &o200k);
    survive_with(&format!("{}{}", ">".repeat(4000), "/.\n".repeat(300_000)), &o200k);
    survive_with(&"#\n/\n".repeat(60_000), &o200k);
}
