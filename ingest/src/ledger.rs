//! The ledger: what was ingested, so that a sync need not ask the index. It is a cache: what is
//! lost is rebuilt from the index.
//!
//! In the embedded index it lies in the same file, and every change of it is part of the
//! transaction that publishes what it records.

use lectern_index::chunk::ChunkId;
use lectern_index::document::{BlobSha, SourceName};
use lectern_index::fingerprint::Fingerprint;
use lectern_index::head::Head;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::plan::{Known, KnownDocument};
use crate::source::Problem;
use crate::store::Publication;

/// Settings that equal no source's: the next sync lists the source in any case.
const NO_SETTINGS: &str = "";

/// What the ledger holds of a source in a build.
#[derive(Debug, Default)]
pub struct Record {
    /// The generation it describes; `None` if it knows nothing of the source.
    pub generation: Option<u64>,
    /// When that was published (RFC 3339).
    pub indexed_at: Option<String>,
    /// Hash of the source's settings at that generation.
    pub settings: Option<String>,
    /// Its documents.
    pub known: Known,
    /// Its failures.
    pub failed: Vec<Problem>,
}

impl Record {
    /// Paths of the documents that are in the index.
    pub fn indexed(&self) -> Vec<String> {
        let indexed = self.known.iter().filter(|(_, document)| document.skipped.is_none());
        indexed.map(|(path, _)| path.clone()).collect()
    }
}

/// Reads what is known of a source.
pub async fn read(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    source: &SourceName,
) -> Result<Record, sqlx::Error> {
    let mut record = Record::default();
    let row = sqlx::query(
        "SELECT generation, indexed_at, settings FROM ledger_sources WHERE fingerprint = ? AND source = ?",
    )
    .bind(fingerprint.as_str())
    .bind(source.as_str())
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = row {
        record.generation = Some(row.try_get::<i64, _>("generation")? as u64);
        record.indexed_at = row.try_get("indexed_at")?;
        record.settings = row.try_get("settings")?;
    }
    let rows = sqlx::query(
        "SELECT path, blob_sha, skipped FROM ledger_documents WHERE fingerprint = ? AND source = ?",
    )
    .bind(fingerprint.as_str())
    .bind(source.as_str())
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        // A damaged row is as good as none: the document is indexed again.
        if let Some(blob_sha) = BlobSha::parse(row.try_get("blob_sha")?) {
            record
                .known
                .insert(row.try_get("path")?, KnownDocument { blob_sha, skipped: row.try_get("skipped")? });
        }
    }
    let rows = sqlx::query(
        "SELECT path, reason FROM ledger_failures WHERE fingerprint = ? AND source = ? ORDER BY path",
    )
    .bind(fingerprint.as_str())
    .bind(source.as_str())
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        record.failed.push(Problem { path: row.try_get("path")?, reason: row.try_get("reason")? });
    }
    Ok(record)
}

/// Lets the next sync find a document changed.
pub async fn forget_content(
    db: &mut SqliteConnection,
    fingerprint: &str,
    source: &str,
    path: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE ledger_documents SET blob_sha = ? WHERE fingerprint = ? AND source = ? AND path = ?")
        .bind(BlobSha::none().to_string())
        .bind(fingerprint)
        .bind(source)
        .bind(path)
        .execute(db)
        .await
        .map(drop)
}

/// Records a publication as `generation` of its source.
pub async fn record(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    source: &SourceName,
    generation: u64,
    publication: &Publication,
) -> Result<(), sqlx::Error> {
    let (fingerprint, source) = (fingerprint.as_str(), source.as_str());
    let stale =
        serde_json::to_string(&publication.stale).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "DELETE FROM ledger_documents WHERE fingerprint = ? AND source = ? AND path IN (SELECT value FROM json_each(?))",
    )
    .bind(fingerprint)
    .bind(source)
    .bind(stale)
    .execute(&mut *db)
    .await?;
    let staged = publication.staged.iter().map(|(path, blob, ids)| (path, blob, ids.as_slice(), None));
    let skipped =
        publication.skipped.iter().map(|(path, blob, reason)| (path, blob, &[] as &[ChunkId], Some(reason)));
    for (path, blob, ids, reason) in staged.chain(skipped) {
        sqlx::query(
            "INSERT OR REPLACE INTO ledger_documents (fingerprint, source, path, blob_sha, chunk_ids, skipped) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(fingerprint)
        .bind(source)
        .bind(path)
        .bind(blob)
        .bind(ids.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>())
        .bind(reason)
        .execute(&mut *db)
        .await?;
    }
    for path in &publication.unfinished {
        forget_content(db, fingerprint, source, path).await?;
    }
    sqlx::query("DELETE FROM ledger_failures WHERE fingerprint = ? AND source = ?")
        .bind(fingerprint)
        .bind(source)
        .execute(&mut *db)
        .await?;
    for failure in &publication.failed {
        sqlx::query(
            "INSERT OR REPLACE INTO ledger_failures (fingerprint, source, path, reason) VALUES (?, ?, ?, ?)",
        )
        .bind(fingerprint)
        .bind(source)
        .bind(&failure.path)
        .bind(&failure.reason)
        .execute(&mut *db)
        .await?;
    }
    sqlx::query(
        "INSERT OR REPLACE INTO ledger_sources (fingerprint, source, generation, indexed_at, commit_sha, settings, origin) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(fingerprint)
    .bind(source)
    .bind(generation as i64)
    .bind(&publication.at)
    .bind(&publication.commit)
    .bind(&publication.settings)
    .bind(&publication.origin)
    .execute(db)
    .await?;
    Ok(())
}

/// Documents of a source as an index has them: path, blob SHA, chunk ids in order.
pub type Documents = Vec<(String, String, Vec<ChunkId>)>;

/// What an index alone says of a source: what the ledger holds once it is restored.
pub fn of_documents(head: &Head, documents: &Documents) -> Record {
    let mut record = Record {
        generation: Some(head.generation),
        indexed_at: Some(head.indexed_at.clone()),
        settings: Some(NO_SETTINGS.into()),
        ..Record::default()
    };
    for (path, blob_sha, _) in documents {
        if let Some(blob_sha) = BlobSha::parse(blob_sha) {
            record.known.insert(path.clone(), KnownDocument { blob_sha, skipped: None });
        }
    }
    record
}

/// What the embedded index alone says of a source.
pub async fn of_index(
    db: &mut SqliteConnection,
    build: i64,
    source: &SourceName,
) -> Result<Record, sqlx::Error> {
    let Some(head) = lectern_index::sqlite::read_head(db, build, source).await? else {
        return Ok(Record::default());
    };
    Ok(of_documents(&head, &documents(db, build, &head).await?))
}

/// The published documents of a source in the embedded index.
async fn documents(db: &mut SqliteConnection, build: i64, head: &Head) -> Result<Documents, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT document, path, blob_sha FROM documents WHERE build = ? AND source = ? AND generation <= ?",
    )
    .bind(build)
    .bind(head.source.as_str())
    .bind(head.generation as i64)
    .fetch_all(&mut *db)
    .await?;
    let mut documents = Documents::new();
    for row in rows {
        let ids: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM chunks WHERE document = ? ORDER BY ordinal")
                .bind(row.try_get::<i64, _>("document")?)
                .fetch_all(&mut *db)
                .await?;
        let ids = ids.iter().filter_map(|id| ChunkId::from_bytes(id)).collect();
        documents.push((row.try_get("path")?, row.try_get("blob_sha")?, ids));
    }
    Ok(documents)
}

/// Restores what the ledger should know of a source from the published documents of its build. What
/// is not in the index (drafts, failures) is forgotten and looked at again by the next sync.
pub async fn rebuild(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    build: i64,
    source: &SourceName,
) -> Result<(), sqlx::Error> {
    match lectern_index::sqlite::read_head(db, build, source).await? {
        Some(head) => {
            let documents = documents(db, build, &head).await?;
            restore(db, fingerprint, &head, &documents).await
        }
        None => forget(db, fingerprint, source).await,
    }
}

/// Makes the ledger know these documents of a source, and no others.
pub async fn restore(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    head: &Head,
    documents: &Documents,
) -> Result<(), sqlx::Error> {
    let origin = origin(db, &head.source).await?;
    forget(db, fingerprint, &head.source).await?;
    for (path, blob_sha, ids) in documents {
        sqlx::query(
            "INSERT INTO ledger_documents (fingerprint, source, path, blob_sha, chunk_ids) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(fingerprint.as_str())
        .bind(head.source.as_str())
        .bind(path)
        .bind(blob_sha)
        .bind(ids.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>())
        .execute(&mut *db)
        .await?;
    }
    sqlx::query(
        "INSERT INTO ledger_sources (fingerprint, source, generation, indexed_at, commit_sha, settings, origin) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(fingerprint.as_str())
    .bind(head.source.as_str())
    .bind(head.generation as i64)
    .bind(&head.indexed_at)
    .bind(&head.commit)
    .bind(NO_SETTINGS)
    .bind(origin)
    .execute(db)
    .await?;
    Ok(())
}

/// The sources that are known in a build.
pub async fn sources(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
) -> Result<Vec<SourceName>, sqlx::Error> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT source FROM ledger_sources WHERE fingerprint = ? ORDER BY source")
            .bind(fingerprint.as_str())
            .fetch_all(db)
            .await?;
    Ok(names.iter().filter_map(|name| SourceName::parse(name).ok()).collect())
}

/// Forgets a source in a build.
pub async fn forget(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    source: &SourceName,
) -> Result<(), sqlx::Error> {
    for table in ["ledger_documents", "ledger_sources", "ledger_failures"] {
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE fingerprint = ? AND source = ?")))
            .bind(fingerprint.as_str())
            .bind(source.as_str())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The settings (JSON) that a source was last published with, in any build.
pub async fn origin(db: &mut SqliteConnection, source: &SourceName) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT origin FROM ledger_sources WHERE source = ? AND origin IS NOT NULL LIMIT 1")
        .bind(source.as_str())
        .fetch_optional(db)
        .await
}

/// The chunk ids recorded for a document; none where it is unknown.
pub async fn chunk_ids(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    source: &SourceName,
    path: &str,
) -> Result<Vec<ChunkId>, sqlx::Error> {
    let ids: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT chunk_ids FROM ledger_documents WHERE fingerprint = ? AND source = ? AND path = ?",
    )
    .bind(fingerprint.as_str())
    .bind(source.as_str())
    .bind(path)
    .fetch_optional(db)
    .await?;
    Ok(ids.unwrap_or_default().chunks(16).filter_map(ChunkId::from_bytes).collect())
}

/// Restores the whole ledger from the index, in one transaction; returns how many documents it knows.
pub async fn rebuild_all(pool: &sqlx::SqlitePool) -> Result<u64, sqlx::Error> {
    let mut db = pool.begin().await?;
    let builds: Vec<(i64, String)> =
        sqlx::query_as("SELECT build, fingerprint FROM builds").fetch_all(&mut *db).await?;
    let mut documents = 0;
    for (build, fingerprint) in builds {
        let fingerprint = Fingerprint::from_stored(fingerprint);
        for head in lectern_index::sqlite::read_heads(&mut db, build).await? {
            rebuild(&mut db, &fingerprint, build, &head.source).await?;
            documents += head.documents;
        }
    }
    db.commit().await?;
    Ok(documents)
}
