use proptest::prelude::*;

use super::*;

fn references() -> [(Tokenizer, &'static tiktoken_rs::CoreBPE); 2] {
    [
        (Tokenizer::cl100k(), tiktoken_rs::cl100k_base_singleton()),
        (Tokenizer::o200k(), tiktoken_rs::o200k_base_singleton()),
    ]
}

/// Text of the kind that tokenizers differ on: white space of every sort, slashes, digits,
/// contractions, marks, scripts without case, emoji.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z]{1,6}",
        3 => "[ \t]{1,4}",
        3 => "(\r?\n){1,3}",
        2 => "[0-9]{1,5}",
        2 => "[/.,;:!?'\"`*_#(){}<>|=+-]{1,4}",
        1 => "'(s|t|re|ve|ll|D|M)",
        1 => "[\u{a0}\u{3000}\u{2028}\u{85}\u{0b}\u{0c}\r]{1,3}",
        1 => "[äéßÀ中文字かな한글абв]{1,4}",
        1 => "[e\u{301}\u{1f600}\u{1f468}\u{200d}\u{fe0f}\u{feff}]{1,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// `PROPTEST_CASES`, else few enough for every change.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(1500),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn counts_equal_tiktoken_rs(text in nasty()) {
        for (tokenizer, reference) in references() {
            prop_assert_eq!(tokenizer.count(&text), reference.encode_ordinary(&text).len(), "{:?}", tokenizer);
        }
    }

    #[test]
    fn counts_add_up_where_they_are_said_to(text in nasty()) {
        for (tokenizer, reference) in references() {
            let whole = reference.encode_ordinary(&text).len();
            for (at, c) in text.char_indices().skip(1) {
                let (before, after) = text.split_at(at);
                let last = before.chars().next_back().expect("skipped the first");
                let line = last == '\n' && tokenizer.adds_up_after_newline(after);
                let word = tokenizer.adds_up_before_white_space()
                    && !last.is_whitespace() && c.is_whitespace() && c != '\n' && c != '\r';
                if line || word {
                    let sum = reference.encode_ordinary(before).len() + reference.encode_ordinary(after).len();
                    prop_assert_eq!(sum, whole, "{:?} cut at {}", tokenizer, at);
                }
            }
        }
    }
}

#[test]
fn names_are_known() {
    assert!(Tokenizer::by_name("cl100k_base").is_some());
    assert!(Tokenizer::by_name("o200k_base").is_some());
    assert!(Tokenizer::by_name("p50k_base").is_none());
}

#[test]
fn lines_begin_with_something_visible() {
    for yes in ["a", "  a\n", "\u{3000}a", "é", "\u{feff}"] {
        assert!(begins_a_line(yes), "{yes:?}");
    }
    for no in ["", " ", "\n", "  \na", "\u{a0}\n", " \ra"] {
        assert!(!begins_a_line(no), "{no:?}");
    }
}

#[cfg(feature = "local")]
#[test]
fn a_tokenizer_file_neither_truncates_nor_pads() {
    let json = r#"{"version":"1.0",
        "truncation":{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0},
        "padding":{"strategy":{"Fixed":8},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"[PAD]"},
        "added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"a":1},"unk_token":"[UNK]"}}"#;
    let path = std::env::temp_dir().join(format!("lectern-tokenizer-{}.json", std::process::id()));
    std::fs::write(&path, json).expect("the folder for temporary files can be written");
    let tokenizer = Tokenizer::from_file(&path).expect("it is a tokenizer");
    assert_eq!(tokenizer.count("a a a a a a a a a a"), 10);
    assert_eq!(tokenizer.count("a"), 1);
    assert!(!tokenizer.adds_up_after_newline("a") && !tokenizer.adds_up_before_white_space());
    std::fs::remove_file(&path).expect("it was just written");
    assert!(Tokenizer::from_file(&path).is_err());
}

/// A small tokenizer of the BERT family.
#[cfg(feature = "local")]
fn bert() -> Tokenizer {
    let characters = ('a'..='z').chain("0123456789.,!?'#*`|-[]()中文äe".chars());
    let words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##ing", "##er"].map(String::from);
    let pieces = characters.flat_map(|c| [c.to_string(), format!("##{c}")]);
    let vocab: Vec<String> =
        words.into_iter().chain(pieces).enumerate().map(|(id, word)| format!("{word:?}:{id}")).collect();
    let special = |id, content| {
        format!(
            r#"{{"id":{id},"content":"{content}","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}}"#
        )
    };
    let added =
        [special(0, "[UNK]"), special(1, "[CLS]"), special(2, "[SEP]"), special(3, "[MASK]")].join(",");
    let json = format!(
        r###"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{added}],
        "normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}},
        "pre_tokenizer":{{"type":"BertPreTokenizer"}},
        "post_processor":{{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}},"decoder":null,
        "model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
        "vocab":{{{}}}}}}}"###,
        vocab.join(",")
    );
    let path = std::env::temp_dir().join(format!("lectern-bert-{}.json", std::process::id()));
    std::fs::write(&path, json).expect("the folder for temporary files can be written");
    Tokenizer::from_file(&path).expect("it is a tokenizer")
}

#[cfg(feature = "local")]
#[test]
fn counts_by_word_equal_those_of_the_whole() {
    let tokenizer = bert();
    let Kind::HuggingFace(read) = &tokenizer.0 else { panic!("it was read from a file") };
    let text = (nasty(), prop::sample::select(vec!["", "[MASK]", " [SEP] x", "thering"]));
    proptest!(cases(), |((text, end) in text)| {
        let text = text + end;
        prop_assert_eq!(tokenizer.count(&text), words::count_whole(&read.tokenizer, &text, true));
        for (at, _) in text.match_indices('\n') {
            let (before, after) = text.split_at(at + 1);
            prop_assert!(tokenizer.adds_up_after_newline(after));
            let sum = tokenizer.count(before) + tokenizer.count(after);
            prop_assert_eq!(sum, tokenizer.count(&text) + tokenizer.count(""));
        }
    });
    assert_eq!(tokenizer.count("thering the"), 6);
}
