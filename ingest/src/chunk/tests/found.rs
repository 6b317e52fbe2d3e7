//! What the fuzzer and long runs of the property tests found.

use super::*;

#[test]
fn a_section_that_follows_nothing_but_headings_is_whole() {
    let text = "# A\n\n## B?\nText\n\nSetext\n---\n\n### \u{fffd}߄\u{fffd}c}\n\nSetext\n---\n\n### C {#c}\n\n###### D\n\
                ## A\n#\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}##### D\n## A\n";
    for cap in 16..64 {
        check(text, cap, 0, "cl100k_base");
    }
}

#[test]
fn an_introduction_to_what_is_over_the_cap_gives_way_to_one_that_fits() {
    let text = "a\n===\n\na0a0a0a0a0a0a0a0bbiqz0a0a0a0a0a0cau0 か字文中 a aaabgqj aapb fzj. AaeAa AavhFhucv amceejj\n\n\
                - > #P## quoted\n  > :::note\n  > ```\n  > / slash\n  > bba aab\n  > a\n  > # not a heading\n  > ```\n  > \n\
                \x20 > ociq bvpj な字文한字文。 中字かな字。 0a0fay0a0a0a0a0a0a0fjdq0a0a0a0bcytba0a0a0a0a0qau aaamc\n\
                -     aaaa aaaaaaaaa\n      aaaaaaaaa aaaaaa aa AaaaaaAaa\n";
    for cap in 60..140 {
        check(text, cap, 0, "o200k_base");
    }
}

#[test]
fn a_line_whose_pieces_seem_to_fit_is_still_over_the_cap() {
    let link = "After installing the integration, you can import and use both [Astro components](/en/basics/astro-components/) and [UI framework components](/en/guides/framework-components/) in your files. ";
    let text = format!("# Guide\n\n## Using Components\n\n{}\n\n{link}\n", link.repeat(3));
    for cap in 16..90 {
        check(&text, cap, 0, "cl100k_base");
    }
}

#[test]
fn a_line_that_begins_with_a_carriage_return_is_a_line() {
    let spans: Vec<_> = chunks("# A\n\rone two three four five six seven\n\r# B\n\r\neight\n", 16)
        .into_iter()
        .map(|chunk| chunk.text)
        .collect();
    assert_eq!(spans, ["# A\n\rone two three four five six seven\n", "\r# B\n\r\neight\n"]);
    let text =
        "# A\n\n- one two three four\n\r- five six seven eight\n\r\r- nine\n\r```\nten\n\r```\n\r# B\n"
            .repeat(3);
    for cap in 16..40 {
        check(&text, cap, 0, "cl100k_base");
        check(&text, cap, 0, "o200k_base");
    }
}
