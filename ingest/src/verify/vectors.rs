//! What must hold of the vectors of a build.

use futures::TryStreamExt;
use lectern_index::document::SourceName;
use sqlx::{Row, SqliteConnection};

use super::{Findings, Kind};

/// How far a vector's length may be from one: rounding of an f32 dot product over 4,096 dimensions
/// stays well below.
const TOLERANCE: f64 = 1e-3;

/// Every chunk of an embedded build has a vector: as long as it must be, finite, of length one.
pub(super) async fn check(
    db: &mut SqliteConnection,
    build: i64,
    embedder: Option<&(String, u32)>,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let Some((embedder, dimensions)) = embedder else { return Ok(()) };
    let rows = sqlx::query(
        "SELECT d.source, d.path, c.ordinal, v.vector, c.context || c.text AS searchable FROM chunks c \
         JOIN documents d USING (document) JOIN heads h USING (build, source) \
         LEFT JOIN vectors v ON v.embedder = ? AND v.text_hash = c.text_hash \
         WHERE d.build = ? AND d.generation <= h.generation ORDER BY d.source, d.path, c.ordinal",
    )
    .bind(embedder)
    .bind(build)
    .fetch_all(db)
    .await?;
    for row in rows {
        let vector: Option<Vec<u8>> = row.try_get("vector")?;
        let problem = match vector {
            // A text without a letter has nothing to embed.
            None if row.try_get::<String, _>("searchable")?.trim().is_empty() => None,
            None => Some("has no vector".to_owned()),
            Some(bytes) => defect(&bytes, *dimensions),
        };
        if let Some(problem) = problem {
            let source = SourceName::parse(row.try_get("source")?).ok();
            let path: String = row.try_get("path")?;
            let detail = format!("chunk {}: {problem}", row.try_get::<i64, _>("ordinal")?);
            findings.add(source.as_ref(), Some(&path), Kind::Vector, detail);
        }
    }
    Ok(())
}

/// Forgets the damaged vectors of an embedder, and only these, so that their texts are embedded again.
pub(crate) async fn forget_damaged(
    db: &mut SqliteConnection,
    embedder: &str,
    dimensions: u32,
) -> Result<(), sqlx::Error> {
    let mut damaged: Vec<i64> = Vec::new();
    {
        let mut rows =
            sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT vector_id, vector FROM vectors WHERE embedder = ?")
                .bind(embedder)
                .fetch(&mut *db);
        while let Some((vector, bytes)) = rows.try_next().await? {
            if defect(&bytes, dimensions).is_some() {
                damaged.push(vector);
            }
        }
    }
    for vector in damaged {
        sqlx::query("DELETE FROM vectors WHERE vector_id = ?").bind(vector).execute(&mut *db).await?;
    }
    Ok(())
}

/// What is wrong with a vector, if anything.
pub(super) fn defect(bytes: &[u8], dimensions: u32) -> Option<String> {
    if bytes.len() != dimensions as usize * 4 {
        return Some(format!("its vector has {} bytes, not those of {dimensions} numbers", bytes.len()));
    }
    let (numbers, _) = bytes.as_chunks::<4>();
    let squares: f64 = numbers.iter().map(|number| f64::from(f32::from_le_bytes(*number)).powi(2)).sum();
    if !squares.is_finite() {
        return Some("its vector has a number that is not finite".into());
    }
    ((squares.sqrt() - 1.0).abs() > TOLERANCE)
        .then(|| format!("its vector has length {:.4}, not 1", squares.sqrt()))
}
