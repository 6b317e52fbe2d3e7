//! Rows of documents, chunks and heads.

use lectern_index::analyse;
use lectern_index::chunk::{Chunk, ChunkId};
use lectern_index::document::SourceName;
use lectern_index::head::Head;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, SqliteConnection};

/// Which documents of a source go.
pub(super) enum Stale<'a> {
    /// Those above this generation: written by a run that died.
    Staged(u64),
    /// The published ones (up to this generation) with these paths.
    Paths(u64, &'a [String]),
}

/// Deletes documents with their chunks and full-text rows; returns how many chunks went.
pub(super) async fn delete_documents(
    db: &mut SqliteConnection,
    build: i64,
    source: &SourceName,
    stale: Stale<'_>,
) -> Result<u64, sqlx::Error> {
    let (generation, which, paths) = match stale {
        Stale::Staged(generation) => (generation, "generation > ?3 AND ?4 IS NOT NULL", "[]".to_owned()),
        Stale::Paths(_, []) => return Ok(0),
        Stale::Paths(generation, paths) => {
            (generation, "generation <= ?3 AND path IN (SELECT value FROM json_each(?4))", json(&paths)?)
        }
    };
    let documents = format!("SELECT document FROM documents WHERE build = ?1 AND source = ?2 AND {which}");
    let statements = [
        format!(
            "DELETE FROM fts_{build} WHERE rowid IN (SELECT chunk FROM chunks WHERE document IN ({documents}))"
        ),
        format!("DELETE FROM chunks WHERE document IN ({documents})"),
        format!("DELETE FROM documents WHERE build = ?1 AND source = ?2 AND {which}"),
    ];
    let mut chunks = 0;
    for (i, statement) in statements.into_iter().enumerate() {
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(build)
            .bind(source.as_str())
            .bind(generation as i64)
            .bind(&paths)
            .execute(&mut *db)
            .await?;
        if i == 1 {
            chunks = done.rows_affected();
        }
    }
    Ok(chunks)
}

/// Writes chunks of one document, and their full-text rows, under consecutive row ids.
pub(super) async fn insert_chunks(
    db: &mut SqliteConnection,
    build: i64,
    document: i64,
    first: i64,
    title: Option<&str>,
    chunks: &[(ChunkId, Chunk)],
) -> Result<(), sqlx::Error> {
    let mut rows = QueryBuilder::<Sqlite>::new(
        "INSERT INTO chunks (chunk, document, ordinal, id, start_byte, end_byte, start_line, end_line, heading_path, \
         anchor, tokens, context, text, content_hash, text_hash) ",
    );
    let mut failed = None;
    rows.push_values(chunks.iter().zip(first..), |mut row, ((id, chunk), rowid)| {
        let heading_path = json(&chunk.heading_path).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        });
        row.push_bind(rowid)
            .push_bind(document)
            .push_bind(chunk.ordinal)
            .push_bind(id.as_bytes().to_vec())
            .push_bind(chunk.start_byte)
            .push_bind(chunk.end_byte)
            .push_bind(chunk.start_line)
            .push_bind(chunk.end_line)
            .push_bind(heading_path)
            .push_bind(chunk.anchor.as_deref())
            .push_bind(chunk.tokens)
            .push_bind(chunk.context.as_str())
            .push_bind(chunk.text.as_str())
            .push_bind(chunk.content_hash().as_bytes().to_vec())
            .push_bind(chunk.text_hash().as_bytes().to_vec());
    });
    if let Some(error) = failed {
        return Err(error);
    }
    rows.build().execute(&mut *db).await?;
    let mut rows =
        QueryBuilder::<Sqlite>::new(format!("INSERT INTO fts_{build} (rowid, title, headings, body) "));
    rows.push_values(chunks.iter().zip(first..), |mut row, ((_, chunk), rowid)| {
        let [title, headings, body] = analyse::fields(title, chunk);
        row.push_bind(rowid).push_bind(title).push_bind(headings).push_bind(body);
    });
    rows.build().execute(db).await?;
    Ok(())
}

/// Writes a source's head.
pub(super) async fn write_head(
    db: &mut SqliteConnection,
    build: i64,
    head: &Head,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(build)
        .bind(head.source.as_str())
        .bind(head.generation as i64)
        .bind(&head.commit)
        .bind(head.repository.as_ref().map(|repository| repository.url.as_str()))
        .bind(head.repository.as_ref().map(|repository| repository.path.as_str()))
        .bind(&head.version)
        .bind(&head.url_template)
        .bind(&head.indexed_at)
        .bind(&head.checked_at)
        .bind(head.commits_behind.map(|n| n as i64))
        .bind(head.documents as i64)
        .bind(head.chunks as i64)
        .execute(db)
        .await
        .map(drop)
}

/// The id after the greatest one, which `sql` selects.
pub(super) async fn next_id(db: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    Ok(sqlx::query_scalar::<_, i64>(sql).fetch_one(db).await? + 1)
}

/// JSON for a column.
pub(super) fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
