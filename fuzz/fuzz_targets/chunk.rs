//! Any bytes: parse, chunk, and hold the chunks against every law of the tests.
//!
//! The first three bytes choose cap, overlap and tokenizer; the rest is the document.

#![no_main]

use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;
use lectern_ingest::{chunk::chunk, parse::parse, prepare::prepare};
use libfuzzer_sys::fuzz_target;

#[path = "../../ingest/src/chunk/laws.rs"]
mod laws;

fuzz_target!(|data: &[u8]| {
    let [cap, overlap, name, document @ ..] = data else { return };
    let text = String::from_utf8_lossy(document);
    let text = text.as_ref();
    let cap = 16 + u32::from(*cap);
    let overlap = if *overlap < 128 { 0 } else { u32::from(*overlap) - 128 };
    let (name, reference) = if name % 2 == 0 {
        ("cl100k_base", tiktoken_rs::cl100k_base_singleton())
    } else {
        ("o200k_base", tiktoken_rs::o200k_base_singleton())
    };
    let settings = ChunkSettings { max_tokens: cap, overlap_tokens: overlap, tokenizer: name.into() };
    let tokenizer = Tokenizer::by_name(name).expect("it is known");
    let parsed = parse(text);
    let chunks = chunk(text, &parsed, &settings, &tokenizer);
    let count = |text: &str| reference.encode_ordinary(text).len();
    let (body, title) = (parsed.body as usize, parsed.title());
    laws::Case { text, body, title, chunks: &chunks, cap, overlap, count: &count }.check();
    assert_eq!(prepare(text, &settings, &tokenizer).chunks, chunks);
});
