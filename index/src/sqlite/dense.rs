//! Dense search on the embedded index: the snapshot of the state that is read, and what is nearest
//! in it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::{Row, SqliteConnection};
use tokio::sync::Mutex;

use super::{Reading, SqliteIndex, stored_chunk};
use crate::search::{Candidate, ReadError, Search};
use crate::vectors::{self, ChunkRow, State, Vectors};

/// How often a search is begun again because vectors were changed behind the snapshot, as a repair
/// does. Once is enough unless that goes on.
const TRIES: usize = 3;

/// The vectors of the newest state that was searched.
#[derive(Default)]
pub(super) struct Snapshot {
    current: RwLock<Option<Arc<Vectors>>>,
    /// One loads, the others wait for what it loads.
    loading: Mutex<()>,
}

impl Snapshot {
    fn get(&self) -> Option<Arc<Vectors>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of(&self, state: &State) -> Option<Arc<Vectors>> {
        self.get().filter(|vectors| vectors.state() == state)
    }

    fn set(&self, vectors: Option<Arc<Vectors>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = vectors;
    }
}

impl Reading {
    /// What decides the vectors of this state; `None` in a lexical index.
    fn state(&self) -> Option<State> {
        let heads = &self.build.status.heads;
        Some(State {
            file: self.file,
            build: (self.build.number, self.build.since.clone()),
            embedder: self.build.status.embedder.as_ref()?.as_str().to_owned(),
            dimensions: self.build.dimensions?,
            sources: heads
                .iter()
                .map(|head| (head.source.clone(), head.generation, head.indexed_at.clone()))
                .collect(),
        })
    }
}

impl SqliteIndex {
    /// The chunks nearest to `vector`, and the state they were found in.
    pub(super) async fn dense(
        &self,
        vector: &[f32],
        search: &Search,
    ) -> Result<(Reading, Vec<Candidate>), ReadError> {
        for _ in 0..TRIES {
            let reading = self.read().await?;
            let (mut reading, vectors) = self.with_vectors(reading).await?;
            let Some(vectors) = vectors else { return Ok((reading, Vec::new())) };
            if let Some(found) = self.nearest(&mut reading, &vectors, vector, search).await? {
                return Ok((reading, found));
            }
            if self.snapshot.get().is_some_and(|current| Arc::ptr_eq(&current, &vectors)) {
                self.snapshot.set(None);
            }
        }
        Err(self.unreadable("its vectors change while they are read: run `lectern-ingest verify`"))
    }

    /// The vectors of the state that `reading` sees or, where they must be loaded, of a newer one,
    /// which is read instead; `None` in a lexical index.
    pub(super) async fn with_vectors(
        &self,
        reading: Reading,
    ) -> Result<(Reading, Option<Arc<Vectors>>), ReadError> {
        match reading.state() {
            None => return Ok((reading, None)),
            Some(state) => {
                if let Some(vectors) = self.snapshot.of(&state) {
                    return Ok((reading, Some(vectors)));
                }
            }
        }
        // Who waits holds no connection: the one that loads needs one.
        drop(reading);
        let _one = self.snapshot.loading.lock().await;
        // Begun behind the lock, so that it is no older than what was loaded last.
        let mut reading = self.read().await?;
        let Some(state) = reading.state() else { return Ok((reading, None)) };
        let mut known = self.snapshot.get();
        if let Some(vectors) = known.take_if(|vectors| *vectors.state() == state) {
            return Ok((reading, Some(vectors)));
        }
        if known.take_if(|known| !known.helps(&state)).is_some() {
            // Two indexes would take twice the memory.
            self.snapshot.set(None);
        }
        let loaded = vectors::refresh(&mut reading.db, known.as_deref(), state).await;
        let vectors = Arc::new(loaded.map_err(|error| self.unreadable(error))?);
        self.snapshot.set(Some(vectors.clone()));
        Ok((reading, Some(vectors)))
    }

    /// `None` where the file does not hold what the snapshot was loaded from.
    async fn nearest(
        &self,
        reading: &mut Reading,
        vectors: &Arc<Vectors>,
        vector: &[f32],
        search: &Search,
    ) -> Result<Option<Vec<Candidate>>, ReadError> {
        let passing = vectors.passing(&search.filter, &reading.build.status.heads);
        let (query, count) = (vector.to_vec(), search.candidates);
        let scanned = vectors.clone();
        // The scan takes milliseconds of one core: not on the threads that answer.
        let (rows, passing) =
            tokio::task::spawn_blocking(move || (scanned.nearest(&query, &passing, count), passing))
                .await
                .map_err(|error| self.unreadable(error))?;
        let unreadable = |error| self.unreadable(error);
        let scores = vectors::rescore(&mut reading.db, vectors, vector, &rows).await.map_err(unreadable)?;
        let Some(scores) = scores else { return Ok(None) };
        let ranked = vectors.ranked(&scores, &passing, count);
        read_chunks(&mut reading.db, &ranked).await.map_err(unreadable)
    }
}

/// Reads the chunks of a ranking; `None` where one is not there.
async fn read_chunks(
    db: &mut SqliteConnection,
    ranked: &[(f32, ChunkRow)],
) -> Result<Option<Vec<Candidate>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.*, d.source, d.path, d.title FROM json_each(?) listed \
         CROSS JOIN chunks c ON c.chunk = listed.value JOIN documents d ON d.document = c.document",
    )
    .bind(vectors::list(ranked.iter().map(|(_, row)| row.chunk)))
    .fetch_all(db)
    .await?;
    let mut chunks = HashMap::with_capacity(rows.len());
    for row in &rows {
        chunks.insert(row.try_get::<i64, _>("chunk")?, stored_chunk(row)?);
    }
    let candidate = |(score, row): &(f32, ChunkRow)| {
        let chunk = chunks.remove(&row.chunk).filter(|chunk| chunk.id == row.id)?;
        Some(Candidate { score: *score, chunk })
    };
    Ok(ranked.iter().map(candidate).collect())
}

#[cfg(test)]
mod tests;
