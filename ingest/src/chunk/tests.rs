//! The laws of [`super::laws`] over generated Markdown and both corpora, and each rule by example.

use std::path::{Path, PathBuf};

use lectern_index::chunk::Chunk;
use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use rayon::prelude::*;

use super::laws::Case;
use super::{chunk, nasty};
use crate::parse::parse;

mod examples;
mod found;
mod hostile;

fn settings(cap: u32, overlap: u32) -> ChunkSettings {
    ChunkSettings { max_tokens: cap, overlap_tokens: overlap, tokenizer: "cl100k_base".into() }
}

fn chunks(text: &str, cap: u32) -> Vec<Chunk> {
    chunk(text, &parse(text), &settings(cap, 0), &Tokenizer::cl100k())
}

fn cl100k(text: &str) -> usize {
    tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len()
}

fn o200k(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

fn check(text: &str, cap: u32, overlap: u32, name: &str) {
    check_with(text, cap, overlap, name, |case| case.check());
}

fn check_with(text: &str, cap: u32, overlap: u32, name: &str, laws: impl Fn(&Case<'_>)) {
    let count = if name == "cl100k_base" { cl100k } else { o200k };
    let tokenizer = Tokenizer::by_name(name).expect("it is known");
    let parsed = parse(text);
    let chunks = chunk(text, &parsed, &settings(cap, overlap), &tokenizer);
    let (body, title) = (parsed.body as usize, parsed.title());
    laws(&Case { text, body, title, chunks: &chunks, cap, overlap, count: &count });
}

/// The documents of both corpora, from `LECTERN_CORPORA`, else beside the repository; generated
/// ones where there are none.
fn corpora() -> Vec<(PathBuf, String)> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let root = std::env::var_os("LECTERN_CORPORA").map_or_else(beside, PathBuf::from);
    let mut found = Vec::new();
    let mut todo = vec![root.clone()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|ext| ext == "md" || ext == "mdx") {
                found.push((path.clone(), std::fs::read_to_string(&path).expect("the corpora are UTF-8")));
            }
        }
    }
    if found.is_empty() {
        eprintln!("no corpora in {}: generated documents take their place", root.display());
        let mut runner = TestRunner::deterministic();
        let mut next = || nasty::document().new_tree(&mut runner).expect("it always generates").current();
        found = (0..200).map(|number| (PathBuf::from(format!("generated-{number}.md")), next())).collect();
    }
    found.sort();
    found
}

fn on_corpora(cap: u32, overlap: u32, name: &str) {
    corpora().par_iter().for_each(|(path, text)| {
        let result = std::panic::catch_unwind(|| check(text, cap, overlap, name));
        assert!(result.is_ok(), "{} at {cap}", path.display());
    });
}

#[test]
fn corpora_keep_the_laws_at_512() {
    on_corpora(512, 0, "cl100k_base");
}

#[test]
fn corpora_keep_the_laws_at_other_caps() {
    for cap in [16, 64, 256, 1024] {
        on_corpora(cap, 0, "cl100k_base");
    }
}

#[test]
fn corpora_keep_the_laws_with_overlap_and_o200k() {
    on_corpora(256, 40, "cl100k_base");
    on_corpora(256, 0, "o200k_base");
}

#[test]
fn any_number_of_threads_gives_the_same_chunks() {
    let corpora = corpora();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        let all = || corpora.par_iter().map(|(_, text)| chunks(text, 512)).collect::<Vec<_>>();
        pool.install(all)
    };
    let one = on(1);
    for threads in [2, 3, 8] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

/// `PROPTEST_CASES`, else few enough for every change.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(200),
    }
}

/// Caps at which rules get into each other's way, and one that is used.
fn caps() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![16_u32, 24, 40, 100, 300])
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nasty_documents_keep_the_laws_of_spans(text in nasty::document(), cap in 16_u32..300, overlap in 0_u32..60) {
        check_with(&text, cap, overlap, "cl100k_base", |case| case.check_spans());
    }

    #[test]
    fn nasty_documents_keep_the_laws_of_spans_of_o200k(text in nasty::document(), cap in 16_u32..200) {
        check_with(&text, cap, 0, "o200k_base", |case| case.check_spans());
    }
}

/// The same documents at every run where `PROPTEST_CASES` does not ask for more: a change must not
/// fail by chance for what it did not do.
fn structure() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => cases(),
        None => ProptestConfig { rng_seed: RngSeed::Fixed(1), ..cases() },
    }
}

proptest! {
    #![proptest_config(structure())]

    #[test]
    fn nasty_documents_keep_the_laws_of_structure(text in nasty::document(), cap in caps()) {
        check_with(&text, cap, 0, "cl100k_base", |case| case.check_structure());
    }

    #[test]
    fn nasty_documents_keep_the_laws_of_structure_with_overlap(text in nasty::document(), cap in caps(), overlap in 0_u32..60) {
        check_with(&text, cap, overlap, "cl100k_base", |case| case.check_structure());
    }

    #[test]
    fn nasty_documents_keep_the_laws_of_structure_of_o200k(text in nasty::document(), cap in caps()) {
        check_with(&text, cap, 0, "o200k_base", |case| case.check_structure());
    }
}
