//! From a file's content to the document that is staged. Pure.

use lectern_index::chunk::{Chunk, ChunkId};
use lectern_index::document::{Document, SourceName};
use lectern_index::fingerprint::Fingerprint;
use lectern_index::search::StoredDocument;

use crate::prepare::Prepared;
use crate::source::Entry;
use crate::store::StagedDocument;

/// A document made from its content.
pub(super) fn make(
    source: &SourceName,
    fingerprint: &Fingerprint,
    entry: &Entry,
    prepared: Prepared,
    updated_at: Option<String>,
) -> StagedDocument {
    let document = Document {
        source: source.clone(),
        path: entry.path.clone(),
        blob_sha: entry.blob_sha.clone(),
        title: prepared.title,
        summary: prepared.summary,
        entities: prepared.entities,
        lines: prepared.lines,
        tokens: prepared.chunks.iter().map(|chunk| chunk.tokens).sum(),
        updated_at,
    };
    with_ids(document, prepared.chunks, prepared.description.is_some(), fingerprint)
}

/// A published document under its new path: everything but path, time and ids stays.
pub(super) fn rename(
    stored: StoredDocument,
    fingerprint: &Fingerprint,
    to: &Entry,
    updated_at: Option<String>,
) -> StagedDocument {
    let document = Document { path: to.path.clone(), updated_at, ..stored.document };
    with_ids(document, stored.chunks, true, fingerprint)
}

fn with_ids(
    document: Document,
    chunks: Vec<Chunk>,
    described: bool,
    fingerprint: &Fingerprint,
) -> StagedDocument {
    let Document { source, path, blob_sha, .. } = &document;
    let id = |ordinal| ChunkId::derive(source, path, blob_sha, fingerprint, ordinal);
    let chunks = chunks.into_iter().map(|chunk| (id(chunk.ordinal), chunk)).collect();
    StagedDocument { document, chunks, described }
}

/// Why a file did not become a document.
pub(super) enum Left {
    /// On purpose.
    Out(String),
    /// It is broken.
    Failed(String),
}

/// The text of a file, if it is one.
pub(super) fn text(content: &[u8]) -> Result<&str, Left> {
    if content.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(Left::Out("a Git LFS pointer: its content is not in the repository".into()));
    }
    match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err(Left::Failed("has NUL bytes: it is a binary file, or UTF-16".into())),
        Err(_) if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) => {
            Err(Left::Failed("is UTF-16: save it as UTF-8".into()))
        }
        Err(error) => {
            let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(Left::Failed(format!(
                "is not UTF-8: line {line}, byte {}: save it as UTF-8",
                error.valid_up_to()
            )))
        }
    }
}
