//! placeholder until the chunker lands
#![allow(missing_docs)]
use lectern_index::{chunk::Chunk, fingerprint::ChunkSettings, tokens::Tokenizer};
pub struct Prepared {
    pub title: Option<String>,
    pub description: Option<String>,
    pub draft: bool,
    pub summary: Option<String>,
    pub entities: Vec<String>,
    pub lines: u32,
    pub chunks: Vec<Chunk>,
}
pub fn prepare(text: &str, _: &ChunkSettings, tokenizer: &Tokenizer) -> Prepared {
    let lines = text.matches('\n').count() as u32;
    let chunks = if text.is_empty() {
        vec![]
    } else {
        vec![Chunk {
            ordinal: 0,
            start_byte: 0,
            end_byte: text.len() as u32,
            start_line: 1,
            end_line: lines.max(1),
            heading_path: vec![],
            anchor: None,
            tokens: tokenizer.count(text) as u32,
            context: String::new(),
            text: text.into(),
        }]
    };
    Prepared {
        title: None,
        description: None,
        draft: text.contains("draft: true"),
        summary: None,
        entities: vec![],
        lines,
        chunks,
    }
}
