use std::path::{Path, PathBuf};

use lectern_index::chunk::Chunk;
use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;

use super::chunk;
use crate::parse::parse;

#[path = "laws.rs"]
mod laws;

fn settings(cap: u32) -> ChunkSettings {
    ChunkSettings { max_tokens: cap, overlap_tokens: 0, tokenizer: "cl100k_base".into() }
}

fn chunks(text: &str, cap: u32) -> Vec<Chunk> {
    chunk(text, &parse(text), &settings(cap), &Tokenizer::cl100k())
}

fn reference(text: &str) -> usize {
    tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len()
}

/// The documents of both corpora, from `LECTERN_CORPORA`, else beside the repository.
fn corpora() -> Vec<(PathBuf, String)> {
    let root = std::env::var_os("LECTERN_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"), PathBuf::from);
    let mut found = Vec::new();
    let mut todo = vec![root];
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
    found.sort();
    found
}

#[test]
fn corpora_keep_the_laws() {
    for (path, text) in corpora() {
        println!("{}", path.display());
        let parsed = parse(&text);
        for cap in [16, 64, 256, 512] {
            laws::check_basics(&text, parsed.body as usize, &chunks(&text, cap), cap, &reference);
        }
    }
}
