//! How much memory one large document takes: `cargo bench --bench memory`.
//!
//! The promise is the tokenizer's tables plus 8 × the documents in flight, the document itself
//! included. Ends with one line for programs.

#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lectern_index::fingerprint::ChunkSettings;
use lectern_index::tokens::Tokenizer;
use lectern_ingest::prepare::prepare;

/// As large as a document is in practice, and far beyond.
const BYTES: usize = 20 << 20;

fn main() {
    let tokenizer = Tokenizer::cl100k();
    black_box(tokenizer.count("Tables are loaded on first use."));
    let Some(tables) = peak() else {
        println!("memory is measured where there is /proc/self/status");
        return;
    };
    let settings = ChunkSettings { max_tokens: 512, overlap_tokens: 0, tokenizer: "cl100k_base".into() };
    println!("tokenizer and program: {:.1} MiB", tables / MIB);
    let mut text = String::with_capacity(BYTES);
    fill(&root(), &mut text);
    while text.len() < BYTES {
        text.push_str("A corpus that is small is filled up with this sentence.\n\n");
    }
    let before = peak().unwrap_or_default();
    let start = Instant::now();
    let chunks = black_box(prepare(&text, &settings, &tokenizer)).chunks.len();
    let seconds = start.elapsed().as_secs_f64();
    let after = peak().unwrap_or_default();
    let document = text.len() as f64;
    println!("document: {:.1} MiB, {chunks} chunks in {seconds:.2} s", document / MIB);
    println!("peak before: {:.1} MiB, after: {:.1} MiB", before / MIB, after / MIB);
    println!("peak_per_document_byte: {:.2}", (after - tables) / document);
}

const MIB: f64 = (1 << 20) as f64;

/// The most memory this process had so far, in bytes.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? * 1024.0)
}

/// `LECTERN_BENCH_CORPUS`, else the corpora beside the repository.
fn root() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    std::env::var_os("LECTERN_BENCH_CORPUS").map_or_else(beside, PathBuf::from)
}

/// Joins Markdown files into one document, over and over, until it is large enough or there are none.
fn fill(root: &Path, text: &mut String) {
    let mut grown = true;
    while grown && text.len() < BYTES {
        let before = text.len();
        let mut todo = vec![root.to_path_buf()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    todo.push(path);
                } else if path.extension().is_some_and(|ext| ext == "md" || ext == "mdx") {
                    let more = std::fs::read_to_string(&path).unwrap_or_default();
                    if text.len() + more.len() + 2 <= BYTES {
                        text.push_str(&more);
                        text.push_str("\n\n");
                    }
                }
            }
        }
        grown = text.len() > before + BYTES / 100;
    }
}
