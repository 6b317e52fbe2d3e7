//! What is measured.

use std::hint::black_box;
use std::path::Path;

use lectern_index::chunk::Chunk;
use lectern_index::fingerprint::ChunkSettings;
use lectern_index::markdown::OPTIONS;
use lectern_index::tokens::Tokenizer;
use lectern_ingest::chunk::chunk;
use lectern_ingest::parse::parse;
use rayon::prelude::*;
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter};

use crate::corpus::{Corpus, Document};

pub(crate) struct Subjects<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) tokenizer: Tokenizer,
    /// That of the model in `LECTERN_BENCH_MODEL`, a folder with its `tokenizer.json`.
    pub(crate) model: Option<Tokenizer>,
    usual: Usual,
}

/// text-splitter's own way of sizing with tiktoken-rs.
#[derive(Clone, Copy)]
pub(crate) struct Usual(&'static tiktoken_rs::CoreBPE);

impl ChunkSizer for Usual {
    fn size(&self, chunk: &str) -> usize {
        self.0.encode_ordinary(chunk).len()
    }
}

/// Sizing with the counter that Lectern uses.
#[derive(Clone, Copy)]
pub(crate) struct Fast<'a>(&'a Tokenizer);

impl ChunkSizer for Fast<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.0.count(chunk)
    }
}

impl<'a> Subjects<'a> {
    pub(crate) fn new(corpus: &'a Corpus) -> Self {
        let subjects = Self {
            corpus,
            tokenizer: Tokenizer::cl100k(),
            model: std::env::var_os("LECTERN_BENCH_MODEL").map(|folder| {
                let path = Path::new(&folder).join("tokenizer.json");
                Tokenizer::from_file(&path).expect("LECTERN_BENCH_MODEL is a folder with a tokenizer.json")
            }),
            usual: Usual(tiktoken_rs::cl100k_base_singleton()),
        };
        // Tables are loaded on first use: not part of any figure.
        black_box((subjects.tokenizer.count("x"), subjects.usual.size("x")));
        subjects
    }

    pub(crate) fn chunks(&self, document: &Document, cap: u32) -> Vec<Chunk> {
        chunks_with(&self.tokenizer, document, cap)
    }

    pub(crate) fn lectern(&self, cap: u32) -> usize {
        self.lectern_with(&self.tokenizer, cap)
    }

    pub(crate) fn lectern_with(&self, tokenizer: &Tokenizer, cap: u32) -> usize {
        let documents = &self.corpus.documents;
        documents.iter().map(|document| black_box(chunks_with(tokenizer, document, cap)).len()).sum()
    }

    /// On all cores. A core that is done takes single documents from another, to the last one.
    pub(crate) fn lectern_parallel(&self, cap: u32) -> usize {
        let documents = self.corpus.documents.par_iter().with_max_len(1);
        documents.map(|document| black_box(self.chunks(document, cap)).len()).sum()
    }

    pub(crate) fn splitter_usual(&self, cap: u32) -> usize {
        self.split(self.usual, cap)
    }

    pub(crate) fn splitter_fast(&self, cap: u32) -> usize {
        self.split(Fast(&self.tokenizer), cap)
    }

    fn split<S: ChunkSizer>(&self, sizer: S, cap: u32) -> usize {
        let splitter = MarkdownSplitter::new(ChunkConfig::new(cap as usize).with_sizer(sizer));
        let documents = &self.corpus.documents;
        documents.iter().map(|document| black_box(splitter.chunks(document.body())).count()).sum()
    }

    /// The chunks text-splitter makes of a document, as places in its body.
    pub(crate) fn split_indices(&self, document: &'a Document, cap: u32) -> Vec<(usize, &'a str)> {
        let splitter =
            MarkdownSplitter::new(ChunkConfig::new(cap as usize).with_sizer(Fast(&self.tokenizer)));
        splitter.chunk_indices(document.body()).collect()
    }

    pub(crate) fn parse(&self) -> usize {
        self.corpus.documents.iter().map(|document| parse_alone(document.body())).sum()
    }

    pub(crate) fn count(&self) -> usize {
        self.corpus.documents.iter().map(|document| self.tokenizer.count(document.body())).sum()
    }

    pub(crate) fn parse_and_count(&self) -> usize {
        let documents = &self.corpus.documents;
        documents
            .iter()
            .map(|document| parse_alone(document.body()) + self.tokenizer.count(document.body()))
            .sum()
    }
}

fn chunks_with(tokenizer: &Tokenizer, document: &Document, cap: u32) -> Vec<Chunk> {
    let name = tokenizer.name().to_owned();
    let settings = ChunkSettings { max_tokens: cap, overlap_tokens: 0, tokenizer: name };
    chunk(&document.text, &parse(&document.text), &settings, tokenizer)
}

fn parse_alone(text: &str) -> usize {
    pulldown_cmark::Parser::new_ext(text, OPTIONS).into_offset_iter().map(black_box).count()
}
