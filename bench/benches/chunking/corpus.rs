//! The documents that are measured.

use std::path::{Path, PathBuf};

use lectern_ingest::parse::parse;

/// Documents and where they are from.
pub(crate) struct Corpus {
    pub(crate) documents: Vec<Document>,
    pub(crate) from: String,
}

pub(crate) struct Document {
    pub(crate) text: String,
    /// Where its front matter ends: text-splitter knows none and gets the body.
    pub(crate) body: usize,
}

impl Document {
    pub(crate) fn body(&self) -> &str {
        &self.text[self.body..]
    }
}

impl Corpus {
    /// `LECTERN_BENCH_CORPUS`, else the corpora beside the repository, else generated Markdown.
    pub(crate) fn load() -> Self {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
        let root = std::env::var_os("LECTERN_BENCH_CORPUS").map_or(beside, PathBuf::from);
        let mut texts = Vec::new();
        read(&root, &mut texts);
        let mut from = root.display().to_string();
        if texts.is_empty() {
            from = format!("a generator: {from} holds no Markdown");
            texts = (0..400).map(generated).collect();
        }
        // Large ones first: on all cores the last to be finished are small ones.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let documents = texts.into_iter().map(|text| Document { body: parse(&text).body as usize, text });
        Self { documents: documents.collect(), from }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.documents.iter().map(|document| document.text.len()).sum()
    }

    pub(crate) fn megabytes(&self) -> f64 {
        self.bytes() as f64 / 1e6
    }
}

fn read(folder: &Path, texts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, texts);
        } else if path.extension().is_some_and(|ext| ext == "md" || ext == "mdx" || ext == "markdown") {
            texts.extend(std::fs::read_to_string(&path).ok());
        }
    }
}

/// A page that looks like documentation, the same for equal seeds.
fn generated(seed: u64) -> String {
    const WORDS: &[&str] = &[
        "the",
        "index",
        "is",
        "a",
        "stream",
        "of",
        "chunks",
        "when",
        "configured",
        "with",
        "`max_tokens`",
        "server",
        "returns",
        "an",
        "error",
        "Result<T>",
        "and",
        "retries",
        "documentation",
        "example",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let mut text = format!("---\ntitle: Page {seed}\n---\n\n");
    for section in 0..8 {
        text += &format!("## Section {section}\n\n");
        for _ in 0..1 + next(5) {
            let words: Vec<_> = (0..10 + next(80)).map(|_| WORDS[next(WORDS.len())]).collect();
            match next(4) {
                0 => text += &format!("```rust\nlet x = {:?};\n// {}\n```\n\n", words[0], words.join(" ")),
                1 => {
                    text += &words.chunks(8).map(|item| format!("- {}\n", item.join(" "))).collect::<String>()
                }
                _ => text += &format!("{}.\n", words.join(" ")),
            }
            text += "\n";
        }
    }
    text
}
