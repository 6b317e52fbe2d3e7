//! From rows of the file to the words of this crate.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::chunk::{Chunk, ChunkId};
use crate::document::{BlobSha, Document, SourceName};
use crate::head::{Head, Repository};
use crate::search::{StoredChunk, StoredDocument};

/// Reads a published document of a build with its chunks.
pub async fn read_document(
    db: &mut SqliteConnection,
    build: i64,
    head: Head,
    path: &str,
) -> Result<Option<StoredDocument>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT * FROM documents WHERE build = ? AND source = ? AND path = ? AND generation <= ?",
    )
    .bind(build)
    .bind(head.source.as_str())
    .bind(path)
    .bind(head.generation as i64)
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let chunks = sqlx::query("SELECT * FROM chunks WHERE document = ? ORDER BY ordinal")
        .bind(row.try_get::<i64, _>("document")?)
        .fetch_all(&mut *db)
        .await?;
    Ok(Some(StoredDocument {
        document: document(&row)?,
        chunks: chunks.iter().map(chunk).collect::<Result<_, _>>()?,
        head,
    }))
}

/// Names what a row holds that it should not.
fn corrupt(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} is damaged: run `lectern-ingest verify`").into())
}

fn source(row: &SqliteRow) -> Result<SourceName, sqlx::Error> {
    SourceName::parse(row.try_get("source")?).map_err(|_| corrupt("a source's name"))
}

/// Reads the heads of a build, by source.
pub async fn read_heads(db: &mut SqliteConnection, build: i64) -> Result<Vec<Head>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT * FROM heads WHERE build = ? ORDER BY source").bind(build).fetch_all(db).await?;
    rows.iter().map(head).collect()
}

/// Reads a source's head in a build.
pub async fn read_head(
    db: &mut SqliteConnection,
    build: i64,
    source: &SourceName,
) -> Result<Option<Head>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM heads WHERE build = ? AND source = ?")
        .bind(build)
        .bind(source.as_str())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(head).transpose()
}

fn head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let repository = match (row.try_get("repository_url")?, row.try_get("repository_path")?) {
        (Some(url), Some(path)) => Some(Repository { url, path }),
        _ => None,
    };
    Ok(Head {
        source: source(row)?,
        generation: row.try_get::<i64, _>("generation")? as u64,
        commit: row.try_get("commit_sha")?,
        repository,
        version: row.try_get("version")?,
        url_template: row.try_get("url_template")?,
        indexed_at: row.try_get("indexed_at")?,
        checked_at: row.try_get("checked_at")?,
        commits_behind: row.try_get::<Option<i64>, _>("commits_behind")?.map(|n| n as u64),
        documents: row.try_get::<i64, _>("documents")? as u64,
        chunks: row.try_get::<i64, _>("chunks")? as u64,
    })
}

/// Reads a row of `documents`.
pub fn document(row: &SqliteRow) -> Result<Document, sqlx::Error> {
    Ok(Document {
        source: source(row)?,
        path: row.try_get("path")?,
        blob_sha: BlobSha::parse(row.try_get("blob_sha")?).ok_or_else(|| corrupt("a blob SHA"))?,
        title: row.try_get("title")?,
        summary: row.try_get("summary")?,
        entities: serde_json::from_str(row.try_get("entities")?)
            .map_err(|_| corrupt("a list of entities"))?,
        lines: row.try_get("lines")?,
        tokens: row.try_get("tokens")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// Reads a row of `chunks`.
pub fn chunk(row: &SqliteRow) -> Result<Chunk, sqlx::Error> {
    Ok(Chunk {
        ordinal: row.try_get("ordinal")?,
        start_byte: row.try_get("start_byte")?,
        end_byte: row.try_get("end_byte")?,
        start_line: row.try_get("start_line")?,
        end_line: row.try_get("end_line")?,
        heading_path: serde_json::from_str(row.try_get("heading_path")?)
            .map_err(|_| corrupt("a heading path"))?,
        anchor: row.try_get("anchor")?,
        tokens: row.try_get("tokens")?,
        context: row.try_get("context")?,
        text: row.try_get("text")?,
    })
}

/// Reads a chunk's id.
pub(crate) fn chunk_id(row: &SqliteRow) -> Result<ChunkId, sqlx::Error> {
    ChunkId::from_bytes(row.try_get("id")?).ok_or_else(|| corrupt("a chunk id"))
}

/// Reads a row of `chunks` with its document's source, path and title.
pub(super) fn stored_chunk(row: &SqliteRow) -> Result<StoredChunk, sqlx::Error> {
    Ok(StoredChunk {
        id: chunk_id(row)?,
        source: source(row)?,
        path: row.try_get("path")?,
        title: row.try_get("title")?,
        chunk: chunk(row)?,
    })
}

/// Reads a stored vector: numbers of four bytes each, little-endian.
pub fn vector(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}
