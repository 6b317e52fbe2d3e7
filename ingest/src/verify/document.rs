//! What must hold of a document and its chunks.

use std::sync::LazyLock;

use lectern_index::chunk::{ChunkId, Hash};
use lectern_index::fingerprint::{ChunkSettings, Fingerprint};
use lectern_index::search::StoredDocument;
use sqlx::{Row, SqliteConnection};

use super::same;

/// The reference for counting: another implementation than the one that counted.
static REFERENCE: LazyLock<Option<tiktoken_rs::CoreBPE>> = LazyLock::new(|| tiktoken_rs::cl100k_base().ok());

/// Checks order, spans, lines, ids and tokens; returns what differs.
pub(super) fn check(
    stored: &StoredDocument,
    ids: &[ChunkId],
    fingerprint: &Fingerprint,
    settings: &ChunkSettings,
) -> Vec<String> {
    let mut found = Vec::new();
    let document = &stored.document;
    let mut end: Option<(u32, u32)> = None;
    for (i, chunk) in stored.chunks.iter().enumerate() {
        let mut say = |detail: String| found.push(format!("chunk {i}: {detail}"));
        if chunk.ordinal as usize != i {
            say(format!("has ordinal {}", chunk.ordinal));
        }
        let id =
            ChunkId::derive(&document.source, &document.path, &document.blob_sha, fingerprint, chunk.ordinal);
        if ids.get(i) != Some(&id) {
            say(format!("its id is not {id}, which source, path, blob, fingerprint and ordinal give"));
        }
        if let Some((byte, line)) = end
            && (chunk.start_byte != byte || chunk.start_line != line)
        {
            say(format!(
                "begins at byte {} and line {}, the one before ends at {byte} and {line}",
                chunk.start_byte, chunk.start_line
            ));
        }
        let breaks = chunk.text.matches('\n').count() as u32;
        let ends_line = chunk.text.ends_with('\n');
        if (chunk.end_byte - chunk.start_byte.min(chunk.end_byte)) as usize != chunk.text.len() {
            say(format!(
                "has {} bytes, its span has {}",
                chunk.text.len(),
                chunk.end_byte.saturating_sub(chunk.start_byte)
            ));
        }
        if chunk.start_line + breaks - u32::from(ends_line) != chunk.end_line {
            say(format!(
                "lines {} to {} are not the {} of its text",
                chunk.start_line,
                chunk.end_line,
                breaks + u32::from(!ends_line)
            ));
        }
        if chunk.tokens > settings.max_tokens {
            say(format!("has {} tokens, more than {}", chunk.tokens, settings.max_tokens));
        }
        if settings.tokenizer == "cl100k_base"
            && let Some(reference) = &*REFERENCE
        {
            let counted = reference.encode_ordinary(&chunk.searchable()).len();
            if counted != chunk.tokens as usize {
                say(format!("{} tokens are recorded, it has {counted}", chunk.tokens));
            }
        }
        end = Some((chunk.end_byte, chunk.end_line + u32::from(ends_line)));
    }
    let tokens: u32 = stored.chunks.iter().map(|chunk| chunk.tokens).sum();
    if tokens != document.tokens {
        found.push(format!("{} tokens are recorded, its chunks have {tokens}", document.tokens));
    }
    found
}

/// Checks the stored hashes against the texts they were made of; returns what differs.
pub(super) async fn stored_hashes(
    db: &mut SqliteConnection,
    build: i64,
    stored: &StoredDocument,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.ordinal, c.content_hash, c.text_hash FROM chunks c JOIN documents d USING (document) \
         WHERE d.build = ? AND d.source = ? AND d.path = ? AND d.generation <= ? ORDER BY c.ordinal",
    )
    .bind(build)
    .bind(stored.document.source.as_str())
    .bind(&stored.document.path)
    .bind(stored.head.generation as i64)
    .fetch_all(db)
    .await?;
    let mut found = Vec::new();
    for (row, chunk) in rows.iter().zip(&stored.chunks) {
        let hashes: [(&str, Vec<u8>, Hash); 2] = [
            ("content", row.try_get("content_hash")?, chunk.content_hash()),
            ("text", row.try_get("text_hash")?, chunk.text_hash()),
        ];
        for (name, stored, expected) in hashes {
            if !same(&stored, expected) {
                found.push(format!(
                    "chunk {}: its text does not have the recorded {name} hash",
                    chunk.ordinal
                ));
            }
        }
    }
    Ok(found)
}
