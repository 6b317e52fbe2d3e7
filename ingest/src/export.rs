//! `export`: everything that is published, one JSON object per chunk, sorted by source, path and
//! ordinal. Equal indexes give equal bytes.

use std::io::Write;

use lectern_index::chunk::Hash;
use lectern_index::citation;
use lectern_index::search::{Filter, SearchIndex, StoredDocument};
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Documents listed at once.
const PAGE: usize = 500;

/// A line of the export.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    path: &'a str,
    ordinal: u32,
    start_byte: u32,
    end_byte: u32,
    start_line: u32,
    end_line: u32,
    heading_path: &'a [String],
    tokens: u32,
    content_hash: Hash,
    text: &'a str,
    blob_sha: &'a str,
    permalink: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a [f32]>,
}

/// Writes the export of the published index to `out`; with the `vectors` if these are asked for. Fails
/// at its end (code 5) where a sync published meanwhile, so that it is of no one state.
pub async fn export(index: &dyn SearchIndex, vectors: bool, out: &mut impl Write) -> Result<(), Failure> {
    let before = index.status().await?.publications();
    let mut after = None;
    loop {
        let (page, _) = index.documents(&Filter::default(), after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        let next = (last.source.clone(), last.path.clone());
        for document in &page {
            let Some(stored) = index.document(&document.source, &document.path).await? else { continue };
            let vectors = match vectors {
                true => index.vectors(&document.source, &document.path).await?,
                false => Vec::new(),
            };
            if !written(write(&stored, &vectors, out))? {
                return Ok(());
            }
        }
        after = Some(next);
    }
    match index.status().await?.publications() == before {
        true => Ok(()),
        false => Err(Failure::new(
            Exit::IndexDown,
            "a sync published while the export was written, so parts of it are older than others: run it again",
        )),
    }
}

/// Whether whoever reads still does: a closed pipe (`| head`) is no error, they have seen enough.
pub fn written(done: std::io::Result<()>) -> Result<bool, Failure> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        // Where stdout goes is up to the command line; 5 would say that the index is down.
        Err(error) => Err(Failure::usage(format!("the export cannot be written: {error}"))),
    }
}

fn write(stored: &StoredDocument, vectors: &[Option<Vec<f32>>], out: &mut impl Write) -> std::io::Result<()> {
    let document = &stored.document;
    for (i, chunk) in stored.chunks.iter().enumerate() {
        let line = Line {
            source: document.source.as_str(),
            path: &document.path,
            ordinal: chunk.ordinal,
            start_byte: chunk.start_byte,
            end_byte: chunk.end_byte,
            start_line: chunk.start_line,
            end_line: chunk.end_line,
            heading_path: &chunk.heading_path,
            tokens: chunk.tokens,
            content_hash: chunk.content_hash(),
            text: &chunk.text,
            blob_sha: document.blob_sha.as_str(),
            permalink: citation::permalink(&stored.head, &document.path, chunk.start_line, chunk.end_line),
            vector: vectors.get(i).and_then(|vector| vector.as_deref()),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
