//! From the file to a snapshot and back: what is new is read, what is known is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::{Row, SqliteConnection};

use super::rows::Key;
use super::{ChunkRow, Document, NONE, State, Vectors, quantise};
use crate::sqlite::chunk_id;

/// Documents whose chunks, and rows whose vectors, are read by one query: some megabytes.
const BATCH: usize = 256;

/// The snapshot of `state`, which the transaction of `db` sees. What `known` holds of it is not
/// read again: documents that are the same, and vectors of the same embedder.
pub(crate) async fn refresh(
    db: &mut SqliteConnection,
    known: Option<&Vectors>,
    state: State,
) -> Result<Vectors, sqlx::Error> {
    let known = known.filter(|known| known.helps(&state));
    let rows = known.map(|known| known.rows.clone()).unwrap_or_default();
    let mut next = Vectors { state, documents: Vec::new(), chunks: Vec::new(), rows };
    let new = next.take_documents(db, known).await?;
    let mut reader = Reader { numbers: next.rows.keys().collect(), damaged: 0 };
    for documents in new.chunks(BATCH) {
        reader.read(db, documents, &mut next).await?;
    }
    if reader.damaged > 0 {
        tracing::error!(
            vectors = reader.damaged,
            "damaged vectors are left out of the search: run `lectern-ingest verify`"
        );
    }
    next.finish();
    Ok(next)
}

impl Vectors {
    /// Lists the documents of all sources, and takes over the chunks of those that `known` has.
    /// Returns the others: their ids and places.
    async fn take_documents(
        &mut self,
        db: &mut SqliteConnection,
        known: Option<&Vectors>,
    ) -> Result<Vec<(i64, u32)>, sqlx::Error> {
        let same =
            |known: &&Vectors| (known.state.file, &known.state.build) == (self.state.file, &self.state.build);
        let known = known.filter(same);
        let places: HashMap<u64, u32> = known
            .map(|known| {
                known.documents.iter().zip(0..).map(|(document, place)| (document.version, place)).collect()
            })
            .unwrap_or_default();
        let mut moved = vec![NONE; known.map_or(0, |known| known.documents.len())];
        let mut new = Vec::new();
        for (number, source) in self.state.sources.iter().enumerate() {
            let (name, generation, _) = source;
            let mut add = |document| {
                self.documents.push(document);
                (self.documents.len() - 1) as u32
            };
            let kept = known.and_then(|known| {
                let place = known.state.sources.iter().position(|known| known == source)?;
                Some((known, place as u32))
            });
            if let Some((known, place)) = kept {
                for (document, moved) in known.documents.iter().zip(&mut moved) {
                    if document.source == place {
                        *moved =
                            add(Document { source: number as u32, path: document.path.clone(), ..*document });
                    }
                }
                continue;
            }
            let rows = sqlx::query(
                "SELECT document, path, generation, blob_sha FROM documents \
                 WHERE build = ? AND source = ? AND generation <= ?",
            )
            .bind(self.state.build.0)
            .bind(name.as_str())
            .bind(*generation as i64)
            .fetch_all(&mut *db)
            .await?;
            for row in rows {
                let (id, path): (i64, String) = (row.try_get("document")?, row.try_get("path")?);
                let mut hasher = DefaultHasher::new();
                (id, &path, row.try_get::<i64, _>("generation")?).hash(&mut hasher);
                row.try_get::<&str, _>("blob_sha")?.hash(&mut hasher);
                let version = hasher.finish();
                let place = add(Document { version, source: number as u32, path: path.into() });
                match places.get(&version) {
                    Some(known) => moved[*known as usize] = place,
                    None => new.push((id, place)),
                }
            }
        }
        for chunk in known.map(|known| &*known.chunks).unwrap_or_default() {
            let document = moved[chunk.document as usize];
            if document != NONE {
                self.chunks.push(ChunkRow { document, ..*chunk });
            }
        }
        Ok(new)
    }

    /// Drops the rows that are too few to keep their block, and puts the chunks in order.
    fn finish(&mut self) {
        let mut used = vec![false; self.rows.bound()];
        for chunk in &self.chunks {
            used[chunk.row as usize] = true;
        }
        let moved = self.rows.compact(&used, self.state.dimensions);
        for chunk in &mut self.chunks {
            chunk.row = moved[chunk.row as usize];
        }
        self.chunks.sort_by_key(|chunk| chunk.id);
        self.chunks.shrink_to_fit();
        self.documents.shrink_to_fit();
    }
}

/// Reads chunks and the vectors that are not there yet.
struct Reader {
    /// Row numbers of the vectors that are.
    numbers: HashMap<Key, u32>,
    /// Vectors that could not be used.
    damaged: usize,
}

impl Reader {
    /// Adds the chunks of these documents; those without a vector are left out.
    async fn read(
        &mut self,
        db: &mut SqliteConnection,
        documents: &[(i64, u32)],
        into: &mut Vectors,
    ) -> Result<(), sqlx::Error> {
        let places: HashMap<i64, u32> = documents.iter().copied().collect();
        // CROSS JOIN keeps the order: documents, their chunks, the vectors of these.
        let found = sqlx::query(
            "SELECT c.chunk, c.id, c.document, c.text_hash, v.vector_id FROM json_each(?) listed \
             CROSS JOIN chunks c ON c.document = listed.value \
             CROSS JOIN vectors v ON v.embedder = ? AND v.text_hash = c.text_hash",
        )
        .bind(list(documents.iter().map(|(id, _)| *id)))
        .bind(&into.state.embedder)
        .fetch_all(&mut *db)
        .await?;
        let mut chunks = Vec::with_capacity(found.len());
        let mut missing = Vec::new();
        for row in &found {
            let key = Key::new(row.try_get("vector_id")?, row.try_get("text_hash")?);
            if !self.numbers.contains_key(&key) {
                missing.push(key);
            }
            let document = places.get(&row.try_get::<i64, _>("document")?).copied().unwrap_or(NONE);
            chunks.push((chunk_id(row)?, row.try_get("chunk")?, document, key));
        }
        missing.sort_unstable_by_key(|key| key.vector);
        missing.dedup();
        for keys in missing.chunks(BATCH) {
            self.read_vectors(db, keys, into).await?;
        }
        into.chunks.extend(chunks.into_iter().filter_map(|(id, chunk, document, key)| {
            let row = *self.numbers.get(&key)?;
            Some(ChunkRow { id, chunk, document, row })
        }));
        Ok(())
    }

    async fn read_vectors(
        &mut self,
        db: &mut SqliteConnection,
        keys: &[Key],
        into: &mut Vectors,
    ) -> Result<(), sqlx::Error> {
        let texts: HashMap<i64, u64> = keys.iter().map(|key| (key.vector, key.text)).collect();
        let dimensions = into.state.dimensions;
        let found = sqlx::query(
            "SELECT v.vector_id, v.vector FROM json_each(?) listed CROSS JOIN vectors v ON v.vector_id = listed.value",
        )
        .bind(list(keys.iter().map(|key| key.vector)))
        .fetch_all(&mut *db)
        .await?;
        for row in found {
            let vector: i64 = row.try_get("vector_id")?;
            let Some(&text) = texts.get(&vector) else { continue };
            let key = Key { vector, text };
            let bytes: &[u8] = row.try_get("vector")?;
            let numbers = quantise::stored(bytes, dimensions)
                .and_then(|numbers| into.rows.push(key, dimensions, |row| quantise::quantise(numbers, row)));
            match numbers {
                Some(number) => drop(self.numbers.insert(key, number)),
                None => self.damaged += 1,
            }
        }
        Ok(())
    }
}

/// The exact scores of `rows`, from the full vectors; `None` where one is not there (any more) as
/// it was loaded, so that the snapshot is no longer true.
pub(crate) async fn rescore(
    db: &mut SqliteConnection,
    vectors: &Vectors,
    query: &[f32],
    rows: &[u32],
) -> Result<Option<Vec<(u32, f32)>>, sqlx::Error> {
    let numbers: HashMap<i64, (u32, Key)> = rows
        .iter()
        .filter_map(|&row| vectors.rows.get(row).map(|(key, _)| (key.vector, (row, key))))
        .collect();
    let found = sqlx::query(
        "SELECT v.vector_id, v.text_hash, v.vector FROM json_each(?) listed \
         CROSS JOIN vectors v ON v.vector_id = listed.value",
    )
    .bind(list(numbers.keys().copied()))
    .fetch_all(db)
    .await?;
    let mut scores = Vec::with_capacity(found.len());
    for row in &found {
        let vector: i64 = row.try_get("vector_id")?;
        let Some((number, key)) = numbers.get(&vector) else { continue };
        let stored = quantise::stored(row.try_get("vector")?, vectors.state.dimensions);
        if let Some(stored) =
            stored.filter(|_| Key::new(vector, row.try_get("text_hash").unwrap_or_default()) == *key)
        {
            scores.push((*number, quantise::exact(stored, query)));
        }
    }
    Ok((scores.len() == rows.len()).then_some(scores))
}

/// The ids as one parameter, for `json_each`.
pub(crate) fn list(ids: impl Iterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
