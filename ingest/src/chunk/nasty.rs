//! Generates Markdown that is hard to chunk.

use proptest::prelude::*;

fn words(most: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => "[a-z]{1,9}",
        2 => "[A-Z][a-z]{1,5}[A-Z][a-z]{1,5}",
        1 => "`[a-z_.]{1,12}`",
        1 => "\\*\\*[a-z]{1,5}\\*\\*",
        1 => "[a-z]{1,5}[.!?:]",
        1 => "[中文字かな한글]{1,6}。?",
        1 => "[e\u{301}\u{1f600}\u{1f468}\u{200d}\u{fe0f}\u{a0}\u{3000}]{1,3}",
        1 => "[/<>{}|#*_=+~\\[\\]()$\\\\&-]{1,4}",
        1 => "[a-z0-9]{30,60}",
    ];
    prop::collection::vec(word, 1..most).prop_map(|words| words.join(" "))
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => words(40),
        2 => words(6).prop_map(|text| format!("{text}:")),
        1 => prop::collection::vec(words(8), 1..6).prop_map(|lines| lines.join("\n")),
        3 => (prop::sample::select(vec!["```", "````", "~~~", "```rust", ":::note\n```"]),
              prop::collection::vec(prop_oneof![words(8), Just("# not a heading".into()), Just(String::new()),
                                                Just("/ slash".into()), Just("// comment.".into())], 0..30),
              any::<bool>())
            .prop_map(|(fence, lines, closed)| {
                let bare = fence.trim_start_matches(":::note\n").trim_end_matches("rust");
                let end = if closed { bare } else { "" };
                format!("{fence}\n{}\n{end}", lines.join("\n"))
            }),
        1 => prop::collection::vec(words(5), 1..5).prop_map(|lines| format!("    {}", lines.join("\n    "))),
        2 => (words(4), prop::collection::vec(words(8), 0..20)).prop_map(|(head, rows)| {
            let head = head.replace('|', "/");
            let rows: String = rows.iter().map(|row| format!("| {} | x |\n", row.replace(['|', '`', '\\'], "/"))).collect();
            format!("| {head} | b |\n|---|---|\n{rows}")
        }),
        1 => prop::sample::select(vec![
            "<!-- a comment\n\n# with a heading\n\n-->", "import X from './x';\nexport const a = 1;",
            "<Tabs>\n  <Tab>\n\n  text\n\n  </Tab>\n</Tabs>", "{{< tabs >}}\n{{% tab %}}\nx\n{{% /tab %}}\n{{< /tabs >}}",
            ":::note[Title]\ntext\n:::", "[link]: https://example.com \"title\"\n[b]: /b", "[^1]: a footnote\n\n    more of it",
            "***", "---", "<div>\n# no heading\n</div>", "{/* mdx comment */}", "> [!NOTE]\n> alert", "<details>\n\n```\n",
            "- [ ] task\n- [x] done", "\\", "&amp; &#35;", "\u{2028}", "$PATH:$HOME",
        ]).prop_map(String::from),
    ]
}

fn block() -> impl Strategy<Value = String> {
    let heading = (1..=6_usize, words(5), 0..8).prop_map(|(level, text, kind)| match kind {
        0 => format!("{}\n===", text.replace('\n', " ")),
        1 => format!("{} {text} {{#id-{level}}}", "#".repeat(level)),
        2 => "#".repeat(level),
        3 => format!("{} Same", "#".repeat(level)),
        _ => format!("{} {text}", "#".repeat(level)),
    });
    let nested = leaf().prop_recursive(3, 12, 4, |inner| {
        (prop::collection::vec(inner, 1..4), 0..4_usize).prop_map(|(parts, kind)| {
            let indent = |text: &str, first: &str, rest: &str| {
                format!("{first}{}", text.replace('\n', &format!("\n{rest}")))
            };
            match kind {
                0 => parts.iter().map(|part| indent(part, "- ", "  ")).collect::<Vec<_>>().join("\n"),
                1 => parts.iter().map(|part| indent(part, "1. ", "   ")).collect::<Vec<_>>().join("\n\n"),
                2 => parts.iter().map(|part| indent(part, "> ", "> ")).collect::<Vec<_>>().join("\n>\n"),
                _ => indent(&parts.join("\n\n"), "> ### quoted\n> ", "> "),
            }
        })
    });
    prop_oneof![3 => heading, 6 => nested]
}

/// A document: blocks apart by one or more line ends, with or without front matter, byte order
/// mark, Windows line ends, lines that begin with a carriage return, stray characters.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let front = prop_oneof![
        5 => Just(String::new()),
        1 => Just("---\ntitle: A title\ndescription: d\n---\n".to_owned()),
        1 => Just("+++\ntitle = \"T\"\n+++\n\n".to_owned()),
        1 => Just("---\ntitle: [broken\n---\n".to_owned()),
    ];
    let gap = prop_oneof![5 => Just("\n\n"), 2 => Just("\n"), 1 => Just("\n\n\n\n"), 1 => Just("\n \t\n")];
    let blocks = prop::collection::vec((block(), gap), 0..24);
    (
        front,
        blocks,
        any::<(bool, bool)>(),
        0..12,
        prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![9 => any::<char>(), 1 => Just('\r')]),
            0..3,
        ),
    )
        .prop_map(|(front, blocks, (bom, open_end), line_end, stray)| {
            let mut text: String = blocks.into_iter().map(|(block, gap)| block + gap).collect();
            for (at, c) in stray {
                let at = text.floor_char_boundary(at.index(text.len() + 1));
                text.insert(at, c);
            }
            if open_end {
                text.truncate(text.trim_end().len());
            }
            text = format!("{}{front}{text}", if bom { "\u{feff}" } else { "" });
            match line_end {
                0 | 1 => text.replace('\n', "\r\n"),
                2 => text.replace('\n', "\n\r"),
                _ => text,
            }
        })
}
