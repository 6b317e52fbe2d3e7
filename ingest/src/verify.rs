//! `verify`: compares ledger, index and chunks with each other and with what they must be, and says
//! exactly what differs. Reads only; mending is [`crate::repair`]'s.

use std::collections::BTreeMap;

use lectern_index::analyse;
use lectern_index::chunk::{Chunk, ChunkId, Hash};
use lectern_index::document::{BlobSha, SourceName};
use lectern_index::fingerprint::{ChunkSettings, Fingerprint};
use lectern_index::head::Head;
use lectern_index::search::StoredDocument;
use lectern_index::sqlite as read;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

mod document;
pub(crate) mod qdrant;
pub(crate) mod vectors;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The source; `null` where the whole index is concerned.
    pub source: Option<SourceName>,
    /// The document; `null` where the whole source is concerned.
    pub path: Option<String>,
    /// What it is about.
    pub kind: Kind,
    /// What differs.
    pub detail: String,
}

/// What a difference is about: decides how it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The database itself.
    Database,
    /// The head's counts.
    Head,
    /// The ledger: rebuilt from the index.
    Ledger,
    /// A document or its chunks: indexed again from the source.
    Document,
    /// The full-text rows: made again from the chunks.
    FullText,
    /// A vector: embedded again.
    Vector,
    /// Rows that belong to nothing: deleted.
    Orphan,
}

/// What `verify` looked at and found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Documents looked at.
    pub documents: u64,
    /// Chunks looked at.
    pub chunks: u64,
    /// What differs; empty if all is well.
    pub differences: Vec<Difference>,
}

/// A build to be verified.
struct Build {
    number: i64,
    fingerprint: Fingerprint,
    chunk: ChunkSettings,
    embedder: Option<(String, u32)>,
}

/// Verifies everything that is published in the builds that are served or being filled.
pub async fn verify(db: &mut SqliteConnection) -> Result<Findings, sqlx::Error> {
    let mut findings = Findings::default();
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&mut *db).await?;
    for line in said.iter().filter(|line| *line != "ok") {
        findings.add(None, None, Kind::Database, line);
    }
    for build in builds(db).await? {
        for head in read::read_heads(db, build.number).await? {
            source(db, &build, &head, &mut findings).await?;
        }
        orphans(db, &build, &mut findings).await?;
        vectors::check(db, build.number, build.embedder.as_ref(), &mut findings).await?;
    }
    Ok(findings)
}

impl Findings {
    fn add(
        &mut self,
        source: Option<&SourceName>,
        path: Option<&str>,
        kind: Kind,
        detail: impl std::fmt::Display,
    ) {
        self.differences.push(Difference {
            source: source.cloned(),
            path: path.map(str::to_owned),
            kind,
            detail: detail.to_string(),
        });
    }

    /// The findings for a person.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for Difference { source, path, kind, detail } in &self.differences {
            let place = [source.as_ref().map(SourceName::as_str), path.as_deref()];
            let place: Vec<&str> = place.into_iter().flatten().collect();
            let place = if place.is_empty() { "the index".to_owned() } else { place.join(": ") };
            text.push_str(&format!("{}: {place}: {detail}\n", format!("{kind:?}").to_lowercase()));
        }
        text.push_str(&format!(
            "{} documents and {} chunks looked at: {}\n",
            self.documents,
            self.chunks,
            match self.differences.len() {
                0 => "all is well".to_owned(),
                n => format!("{n} differences; `lectern-ingest verify --repair` mends them"),
            }
        ));
        text
    }
}

async fn builds(db: &mut SqliteConnection) -> Result<Vec<Build>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM builds WHERE state <> 'kept' ORDER BY build").fetch_all(db).await?;
    let build = |row: &sqlx::sqlite::SqliteRow| -> Result<Build, sqlx::Error> {
        let embedder: Option<String> = row.try_get("embedder")?;
        let dimensions: Option<u32> = row.try_get("dimensions")?;
        Ok(Build {
            number: row.try_get("build")?,
            fingerprint: Fingerprint::from_stored(row.try_get::<String, _>("fingerprint")?),
            chunk: serde_json::from_str(row.try_get("chunk")?)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
            embedder: embedder.zip(dimensions),
        })
    };
    rows.iter().map(build).collect()
}

async fn source(
    db: &mut SqliteConnection,
    build: &Build,
    head: &Head,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let name = &head.source;
    let paths: Vec<String> = sqlx::query_scalar(
        "SELECT path FROM documents WHERE build = ? AND source = ? AND generation <= ? ORDER BY path",
    )
    .bind(build.number)
    .bind(name.as_str())
    .bind(head.generation as i64)
    .fetch_all(&mut *db)
    .await?;
    let mut indexed: BTreeMap<String, (String, Vec<ChunkId>)> = BTreeMap::new();
    let mut canary: Option<(u32, Chunk)> = None;
    let mut chunks = 0;
    for path in paths {
        let ids: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT c.id FROM chunks c JOIN documents d USING (document) \
             WHERE d.build = ? AND d.source = ? AND d.path = ? AND d.generation <= ? ORDER BY c.ordinal",
        )
        .bind(build.number)
        .bind(name.as_str())
        .bind(&path)
        .bind(head.generation as i64)
        .fetch_all(&mut *db)
        .await?;
        let ids: Vec<ChunkId> = ids.iter().filter_map(|id| ChunkId::from_bytes(id)).collect();
        chunks += ids.len() as u64;
        match read::read_document(db, build.number, head.clone(), &path).await {
            Ok(Some(stored)) => {
                for detail in document::check(&stored, &ids, &build.fingerprint, &build.chunk) {
                    findings.add(Some(name), Some(&path), Kind::Document, detail);
                }
                for detail in document::stored_hashes(db, build.number, &stored).await? {
                    findings.add(Some(name), Some(&path), Kind::Document, detail);
                }
                canary = canary.or_else(|| canary_of(&stored));
                indexed.insert(path, (stored.document.blob_sha.to_string(), ids));
            }
            Ok(None) => {}
            Err(error) => {
                findings.add(Some(name), Some(&path), Kind::Document, format!("cannot be read: {error}"));
                indexed.insert(path, (String::new(), ids));
            }
        }
    }
    findings.documents += indexed.len() as u64;
    findings.chunks += chunks;
    if (head.documents, head.chunks) != (indexed.len() as u64, chunks) {
        let detail = format!(
            "the head counts {} documents and {} chunks, there are {} and {chunks}",
            head.documents,
            head.chunks,
            indexed.len()
        );
        findings.add(Some(name), None, Kind::Head, detail);
    }
    ledger(db, &build.fingerprint, head, &indexed, findings).await?;
    if let Some((ordinal, chunk)) = canary {
        full_text_canary(db, build.number, name, ordinal, &chunk, findings).await?;
    }
    Ok(())
}

/// A chunk with something to search for.
fn canary_of(stored: &StoredDocument) -> Option<(u32, Chunk)> {
    let telling = |chunk: &&Chunk| !analyse::analysed(&chunk.text).is_empty();
    stored.chunks.iter().find(telling).map(|chunk| (chunk.ordinal, chunk.clone()))
}

/// A query made of a chunk's own first words must find that chunk.
async fn full_text_canary(
    db: &mut SqliteConnection,
    build: i64,
    name: &SourceName,
    ordinal: u32,
    chunk: &Chunk,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let terms = analyse::analysed(&chunk.text);
    let query: Vec<String> = terms.split(' ').take(8).map(|term| format!("\"{term}\"")).collect();
    let sql = format!(
        "SELECT count(*) FROM fts_{build} f JOIN chunks c ON c.chunk = f.rowid JOIN documents d USING (document) \
         WHERE fts_{build} MATCH ? AND d.source = ? AND c.ordinal = ? AND c.text_hash = ?"
    );
    let found: Result<i64, _> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(query.join(" "))
        .bind(name.as_str())
        .bind(ordinal)
        .bind(chunk.text_hash().as_bytes())
        .fetch_one(db)
        .await;
    match found {
        Ok(0) => findings.add(
            Some(name),
            None,
            Kind::FullText,
            "a search for a chunk's own words does not find it",
        ),
        Ok(_) => {}
        Err(error) => findings.add(Some(name), None, Kind::FullText, format!("cannot be searched: {error}")),
    }
    Ok(())
}

async fn ledger(
    db: &mut SqliteConnection,
    fingerprint: &Fingerprint,
    head: &Head,
    indexed: &BTreeMap<String, (String, Vec<ChunkId>)>,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let name = Some(&head.source);
    let record = crate::ledger::read(db, fingerprint, &head.source).await?;
    if record.generation != Some(head.generation) {
        let known =
            record.generation.map_or("nothing".to_owned(), |generation| format!("generation {generation}"));
        let detail = format!("the ledger knows {known}, the index has generation {}", head.generation);
        findings.add(name, None, Kind::Ledger, detail);
        return Ok(());
    }
    let known: BTreeMap<_, _> =
        record.known.iter().filter(|(_, document)| document.skipped.is_none()).collect();
    for (path, document) in &known {
        match indexed.get(*path) {
            None => findings.add(name, Some(path), Kind::Ledger, "in the ledger, not in the index"),
            // Of one that is to be made again the ledger has no content.
            Some((blob, _)) if blob != document.blob_sha.as_str() && document.blob_sha != BlobSha::none() => {
                findings.add(
                    name,
                    Some(path),
                    Kind::Ledger,
                    format!("blob {} in the ledger, {blob} in the index", document.blob_sha),
                );
            }
            Some(_) => {}
        }
    }
    for (path, (_, ids)) in indexed {
        if !known.contains_key(path) {
            findings.add(name, Some(path), Kind::Ledger, "in the index, not in the ledger");
        } else if crate::ledger::chunk_ids(db, fingerprint, &head.source, path).await? != *ids {
            findings.add(name, Some(path), Kind::Ledger, "the ledger has other chunk ids than the index");
        }
    }
    Ok(())
}

/// Rows that no published document owns. What a run that died has staged is among them.
async fn orphans(
    db: &mut SqliteConnection,
    build: &Build,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let number = build.number;
    let checks = [
        (
            Kind::Orphan,
            "staged documents of a sync that did not end",
            format!(
                "SELECT count(*) FROM documents d LEFT JOIN heads h USING (build, source) \
                 WHERE d.build = {number} AND d.generation > coalesce(h.generation, 0)"
            ),
        ),
        (
            Kind::Orphan,
            "chunks without a document",
            "SELECT count(*) FROM chunks WHERE document NOT IN (SELECT document FROM documents)".to_owned(),
        ),
        (
            Kind::FullText,
            "full-text rows without a chunk",
            format!("SELECT count(*) FROM fts_{number}_docsize WHERE id NOT IN (SELECT chunk FROM chunks)"),
        ),
        (
            Kind::FullText,
            "chunks without a full-text row",
            format!(
                "SELECT count(*) FROM chunks c JOIN documents d USING (document) \
                 WHERE d.build = {number} AND c.chunk NOT IN (SELECT id FROM fts_{number}_docsize)"
            ),
        ),
    ];
    for (kind, what, sql) in checks {
        match sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).fetch_one(&mut *db).await {
            Ok(0) => {}
            Ok(n) => findings.add(None, None, kind, format!("{n} {what}")),
            Err(error) => findings.add(None, None, kind, format!("{what}: cannot be counted: {error}")),
        }
    }
    Ok(())
}

/// Whether a stored hash is the one it must be.
fn same(stored: &[u8], expected: Hash) -> bool {
    stored == expected.as_bytes()
}
