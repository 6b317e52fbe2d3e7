//! What the fuzzer and long runs of the property tests found.

use std::ops::Range;

use super::*;

/// Every law, under each of these caps and tokenizers.
fn check_caps(text: &str, caps: Range<u32>, overlap: u32, names: &[&str]) {
    for cap in caps {
        names.iter().for_each(|name| check(text, cap, overlap, name));
    }
}

#[test]
fn a_section_that_follows_nothing_but_headings_is_whole() {
    let text = "# A\n\n## B?\nText\n\nSetext\n---\n\n### \u{fffd}߄\u{fffd}c}\n\nSetext\n---\n\n### C {#c}\n\n###### D\n\
                ## A\n#\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}##### D\n## A\n";
    check_caps(text, 16..64, 0, &["cl100k_base"]);
}

#[test]
fn an_introduction_to_what_is_over_the_cap_gives_way_to_one_that_fits() {
    let text = "a\n===\n\na0a0a0a0a0a0a0a0bbiqz0a0a0a0a0a0cau0 か字文中 a aaabgqj aapb fzj. AaeAa AavhFhucv amceejj\n\n\
                - > #P## quoted\n  > :::note\n  > ```\n  > / slash\n  > bba aab\n  > a\n  > # not a heading\n  > ```\n  > \n\
                \x20 > ociq bvpj な字文한字文。 中字かな字。 0a0fay0a0a0a0a0a0a0fjdq0a0a0a0bcytba0a0a0a0a0qau aaamc\n\
                -     aaaa aaaaaaaaa\n      aaaaaaaaa aaaaaa aa AaaaaaAaa\n";
    check_caps(text, 60..140, 0, &["o200k_base"]);
}

#[test]
fn a_line_whose_pieces_seem_to_fit_is_still_over_the_cap() {
    let link = "After installing the integration, you can import and use both [Astro components](/en/basics/astro-components/) and [UI framework components](/en/guides/framework-components/) in your files. ";
    let text = format!("# Guide\n\n## Using Components\n\n{}\n\n{link}\n", link.repeat(3));
    check_caps(&text, 16..90, 0, &["cl100k_base"]);
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
    check_caps(&text, 16..40, 0, &["cl100k_base", "o200k_base"]);
}

#[test]
fn a_heading_gives_way_to_nothing_but_the_cap_and_an_introduction_in_a_quote_to_it() {
    check("#  qjwepu\n1. > ote\n   >```\n   > \n   >```\n   > qdflpae\n", 24, 0, "cl100k_base");
    check("#\n\r1. 1. bcv か글。AaAuvb\n", 16, 0, "cl100k_base");
}

#[test]
fn blocks_of_white_space_share_no_line_with_others() {
    for (text, cap) in [
        ("\u{feff}1. aAaAa\n1. \n   ```\r\n\u{3000}\n", 16),
        ("\u{feff}1. Aa\n1.``\r\n   ```\r\n\u{3000}\n=\r", 16),
        (
            ">aAefjwq aotvQeubvAa bbfv._.a.`BpmjzApxa efaaAaAacv0vffjcrf0a0a0a0a0gchb0a0jba0000AaAcbqmbfag  Acfamjbrb eabaeqbpnbt**a*👨 `.`\r\n>```\n>```\n\u{3000}\n",
            40,
        ),
    ] {
        check(text, cap, 0, "cl100k_base");
    }
}

#[test]
fn blank_lines_with_carriage_returns_belong_to_the_line_before() {
    check("\r  aczbbd*{&\n\r \r  \n\r    \n\r    \n", 16, 0, "cl100k_base");
    check(
        "=\n\r- |`a___.a__a_`|b\n\r  |---|---|\r \n\r-  字한한な글。 \u{fe0f}😀👨b`._.a._a_`",
        24,
        0,
        "cl100k_base",
    );
}

#[test]
fn link_definitions_before_the_first_block_are_no_part_of_it() {
    let text = format!("[a{}]: /b\n\u{1b}^1]: note\n\n    more\n\n> [!N\n\n**# h\n", "\u{fffd}".repeat(44));
    check_caps(&text, 16..40, 0, &["cl100k_base"]);
}

#[test]
fn a_paragraph_that_begins_with_white_space_begins_behind_it() {
    let text = "  t\n  omm\n\r\u{2028}\naaaaa aaaa`a.aa_a.aa..`:\n";
    check_caps(text, 16..40, 0, &["cl100k_base"]);
}

#[test]
fn a_heading_begins_behind_the_white_space_it_begins_with() {
    check("g\n\n\u{3000}\n=\r\nBmbbBf\n", 24, 0, "cl100k_base");
    let headings = parse("g\n\n\u{3000}\nA\n=\n").headings;
    assert_eq!((headings[0].start, headings[0].text.as_str()), (7, "A"));
}

#[test]
fn code_that_begins_with_white_space_in_the_line_of_an_item_begins_behind_it() {
    let text = "> ### quoted\r\n> a a aab bchb \u{301}👨 aaqa **odc** iucwz aab な한글한。 AaIabj kq afjapv\r\n> \r\n\
                > 1.     \u{a0}\r\n>        `a`\r\n>        AaAaa\r\n\r\n";
    check_caps(text, 16..40, 0, &["o200k_base"]);
}

#[test]
fn a_heading_stays_with_the_first_piece_of_one_that_is_cut() {
    let text = "#\n\r\n\r# a: AaaCfwna ojajbap\n\r \t\n\r#\n\r\n\r> ### quoted\n\r> a00a0000a00a0a00aaaa aaaaaaa\n\r\n";
    check_caps(text, 16..40, 0, &["cl100k_base"]);
}

#[test]
fn link_definitions_behind_a_heading_do_not_part_it_from_the_one_before() {
    for text in [
        "\u{feff}## 𐀀lmpbsa\r\n\r\n#### aa ffa btdabffj {#id-4}\r\n\r\n[link]: https://example.com \"title\"\r\n[b]: /b\r\n\r\n",
        "# aca \u{3000}\u{fe0f}\u{a0} aab xwq! {#id-1}\r\n \t\r\n# bfe cau\r\n\r\n[link]: https://example.com \"title\"\r\n[b]: /b\r\n\r\n`a`\r\n===\r\n\r\n",
    ] {
        check_caps(text, 16..80, 0, &["cl100k_base"]);
    }
}

#[test]
fn an_overlap_that_does_not_fit_gives_way_before_the_breadcrumb() {
    let text = "---\ntitle: A title\ndescription: d\n---\n- aaa 文한なか `.aa_` AaAaaa PmBaaab AaAaa `.__.a.\n_.._..` な한\n- | aaaa か글 | b |\n  |---|---|\n  | aaa | x |\n  | **aaaa** aaaa AaaaaAaaaaa 글か文 a aaaaaaa | x |\n  | \u{3000}\u{301}😀 aa aaaaaaaaa | x |\n  | aaaaaaaa aaaaaa | x |\n  | aaaaaaaa aaaa AaaAaaaaa aaa aaaaaa e | x |\n  \n- **a** AaaaaAaa aaaa AaAaaa aaaa a aaaaa AaAa aa か한。 aaaaaaaaa aaaaa aaaaaaaa aaaaaaa AaAa aaaaaa 中字中 \u{301} 😀\u{fe0f} \u{fe0f} **aaa** aaaaaaaa aaaaa aaaaaaaa \u{fe0f} aaa AaAaaa #<( a000a0aa0a0aa00aaaa0aaaa00000aaa 글。 aaaaaa \u{200d}e aaaaaaaa AaAa aaa `..a`\n\n\n\n#####\n\n";
    for overlap in [2, 4, 8] {
        check(text, 16, overlap, "cl100k_base");
        check(text, 24, overlap, "cl100k_base");
    }
}

#[test]
fn an_anchor_may_have_white_space_before_it() {
    check("# a {\u{b}#id-1}\n\nb\n\n# c { #}\n", 16, 0, "cl100k_base");
    assert_eq!(parse("# a {\u{b}#id-1}\n").headings[0].anchor, "id-1");
}

#[test]
fn white_space_at_the_end_of_a_line_is_cut_too() {
    for spaces in 1..40 {
        let text = format!("import aUni{}\nx\n", "\u{b}".repeat(spaces));
        for cap in [16, 21, 24, 40] {
            check(&text, cap, 0, "o200k_base");
            check(&text, cap, 0, "cl100k_base");
        }
    }
}

#[test]
fn white_space_before_the_first_block_is_no_line_of_its_own() {
    let text = "\u{b}".repeat(25) + "\n&text\n\nSetext\n---\n### C {#c}n";
    check_caps(&text, 16..40, 0, &["cl100k_base", "o200k_base"]);
}

#[test]
fn an_introduction_in_a_list_is_not_parted_for_the_one_of_the_list() {
    let text = "\n# \\\\\\\\<!-\\\\[\\\\\\\\\\q\n\0  >d\n[  e\n- a\n  - b  -b\n\n  \\B\nt\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}=e\x14\0\0Rt$#]  t";
    check_caps(text, 16..40, 0, &["cl100k_base"]);
}

#[test]
fn what_follows_a_heading_may_share_its_last_line() {
    let text = "t$#==\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}m\u{fffd}\u{fffd}\u{fffd}-+x\n  2`0. c\u{fffd}  > \n# \n\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}i 'T\n-\rE3\u{fffd}\u{0}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{12}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}`\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}==#A#~t\n";
    check_caps(text, 16..40, 0, &["cl100k_base"]);
}

#[test]
fn a_heading_stays_with_the_link_definitions_that_end_a_document() {
    let text = "\u{feff}---\n'itl!:\u{fffd}T--\ntitl!: |TFFFFFFFFFFFFFFFFFF,FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\ndesirCiption: d\n-titl!: |T\ndesirciption: d\n---\n[\u{fffd}^1]: n\u{fffd}\u{fffd}";
    check_caps(text, 16..80, 0, &["cl100k_base"]);
}

#[test]
fn a_block_that_fits_though_the_sum_of_its_lines_does_not_stays_whole() {
    // A slash at the beginning of a line can belong to the token before.
    let text = "1. \n   >--2  <T>*\n`rXo`j\n/ a.\n/ Y";
    check_caps(text, 16..40, 0, &["o200k_base"]);
    let text = format!(
        "- {}\n\n  one two.\n/ three.\n/ four.\n/ five\n# Six.\n/ seven.\n/ eight.\n",
        "a ".repeat(30)
    );
    check_caps(&text, 16..64, 0, &["o200k_base"]);
    check_caps(&text, 16..64, 4, &["o200k_base"]);
}

#[test]
fn a_block_that_does_not_fit_though_the_sum_of_its_lines_does_is_cut() {
    let text = "#\n|/0|\n/M 1|/|\n| 1|/ 4\n| 1|/|\n| 1| 1|/|\n| \n`\u{fffd}s\u{fffd} \n#nho\nx\u{fffd}";
    check_caps(text, 16..60, 0, &["o200k_base"]);
    check_caps(text, 16..60, 4, &["o200k_base"]);
}

#[test]
fn lines_that_all_belong_to_the_token_before_are_counted_together() {
    for line in ["/\n", "//\n", "/.\n", "/ a.\n", "/**\n/\n"] {
        for text in [
            line.repeat(60),
            format!("# A\n\n- {}", line.repeat(60)),
            format!("a:\n```\n{}```\n", line.repeat(60)),
        ] {
            check_caps(&text, 16..50, 0, &["o200k_base"]);
        }
    }
}

#[test]
fn parts_of_a_section_that_were_merged_again_are_whole() {
    let text = "---\n{itl :::::::T\0\0\u{feff}-!\n:\u{fffd}\u{7}es\nx\nt\u{fffd}n: \0\0\u{feff}-x\nt\u{fffd}n: d\n-\n' T\n\nd\n)-\n# T\nx\n";
    check_caps(text, 16..70, 0, &["cl100k_base"]);
}

#[test]
fn the_anchor_at_the_end_of_a_heading_is_found_however_long_it_is() {
    let text = format!("# {}`code` {}{{#id}}\n\ntext\n", "word ".repeat(300), "*more* ".repeat(10));
    assert_eq!(parse(&text).headings[0].anchor, "id");
    check_caps(&text, 16..40, 0, &["cl100k_base"]);
    check(&format!("# C {{#{} {}}}\n", "_[a]: ".repeat(100), "*x* ".repeat(200)), 26, 0, "cl100k_base");
}

#[test]
fn blank_lines_before_an_introduction_belong_to_it() {
    let text = format!("\n{}\nC  >d]e d\n- \u{c}\u{c}O{}", "\u{b}".repeat(11), "\u{fffd}".repeat(10));
    check_caps(&text, 16..60, 0, &["cl100k_base", "o200k_base"]);
}

#[test]
fn form_feeds_behind_a_carriage_return_are_a_block_on_the_line_of_the_heading() {
    let feeds = "\u{c}".repeat(8);
    let text =
        format!("#{feeds}T\r{feeds}\n\u{c}\u{c}\u{c}{}\u{c}\u{c}x\r\u{c}\u{c}\u{c}", "\u{fffd}".repeat(12));
    check_caps(&text, 16..60, 0, &["cl100k_base", "o200k_base"]);
}

#[test]
fn a_footnote_behind_an_empty_one_is_on_the_same_line() {
    let text = "#A[;\u{fffd}e \r\\\n-\n# \t\0[a\n[^1]:[^1]:b\ns&a# 2{#c\u{5}\0\u{1}m";
    check_caps(text, 16..60, 0, &["cl100k_base", "o200k_base"]);
}

#[test]
fn a_heading_that_is_over_the_cap_with_the_white_space_behind_it_may_be_cut() {
    let text = "\u{fffd}\u{fffd}\n# \0\0\0\0\0\0\0\0\0\0\0\u{fffd}\u{fffd}\u{fffd}`\n \u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\u{c}\r\n\
                e-  \u{fffd}0]f  [+-[ ](\u{c} \u{fffd}\u{fffd}\u{fffd}\u{c}\u{c}\u{c}+\u{c}\u{fffd}\u{fffd}\u{fffd}\u{fffd}";
    check_caps(text, 16..60, 0, &["cl100k_base", "o200k_base"]);
}
