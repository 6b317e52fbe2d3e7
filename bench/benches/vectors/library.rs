//! An index file of generated vectors. Each is made again from its number whenever it is needed, so that
//! the process that is measured does not hold them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lectern_index::chunk::{ChunkId, Hash};
use lectern_index::document::{BlobSha, SourceName};
use lectern_index::fingerprint::Fingerprint;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

/// Topics that the vectors gather around.
const TOPICS: usize = 500;

/// Chunks of a document.
const CHUNKS: usize = 10;

pub(crate) struct Library {
    folder: TempDir,
    db: SqliteConnection,
    pub(crate) count: usize,
    pub(crate) dimensions: usize,
    topics: Vec<Vec<f32>>,
}

impl Library {
    pub(crate) async fn new(count: usize, dimensions: usize) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut db = SqliteConnectOptions::new()
            .filename(folder.path().join("index.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql(include_str!("../../../migrations/0001_index.sql")).execute(&mut db).await.unwrap();
        sqlx::raw_sql(
            "PRAGMA synchronous = off; CREATE TABLE _sqlx_migrations (version); INSERT INTO _sqlx_migrations VALUES (1)",
        )
        .execute(&mut db)
        .await
        .unwrap();
        sqlx::query("INSERT INTO builds VALUES (1, 'f', 'serving', 'bench', ?, '{}', '', '')")
            .bind(dimensions as i64)
            .execute(&mut db)
            .await
            .unwrap();
        let topics = (0..TOPICS).map(|n| vector(n as u64, dimensions, None)).collect();
        let mut library = Self { folder, db, count, dimensions, topics };
        library.publish(1, 0..count).await;
        library
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("index.db")
    }

    /// The vector of the chunk `n`: near its topic, as those of texts about one thing are.
    fn vector(&self, n: usize) -> Vec<f32> {
        vector((TOPICS + n) as u64, self.dimensions, Some(&self.topics[n % TOPICS]))
    }

    /// A question about one of the topics.
    pub(crate) fn query(&self, n: usize) -> Vec<f32> {
        vector(u64::MAX - n as u64, self.dimensions, Some(&self.topics[n * 7 % TOPICS]))
    }

    /// Publishes a generation in which the last chunks have other texts.
    pub(crate) async fn change(&mut self, chunks: usize) {
        let documents = chunks.div_ceil(CHUNKS);
        let delete = format!(
            "PRAGMA foreign_keys = on; DELETE FROM documents WHERE document IN \
             (SELECT document FROM documents ORDER BY document DESC LIMIT {documents})"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut self.db).await.unwrap();
        self.publish(2, self.count..self.count + documents * CHUNKS).await;
    }

    async fn publish(&mut self, generation: i64, chunks: std::ops::Range<usize>) {
        let (source, fingerprint) = (SourceName::parse("docs").unwrap(), Fingerprint::from_stored("f"));
        let made: Vec<usize> = chunks.collect();
        for part in made.chunks(CHUNKS * 500) {
            let vectors: Vec<Vec<f32>> = part.iter().map(|&n| self.vector(n)).collect();
            let mut tx = self.db.begin().await.unwrap();
            for (numbers, vectors) in part.chunks(CHUNKS).zip(vectors.chunks(CHUNKS)) {
                let path = format!("guide/page-{}.md", numbers[0] / CHUNKS);
                let document: i64 = sqlx::query_scalar(
                    "INSERT INTO documents (build, source, path, generation, blob_sha, entities, lines, tokens) \
                     VALUES (1, 'docs', ?, ?, ?, '[]', 1, 1) RETURNING document",
                )
                .bind(&path)
                .bind(generation)
                .bind(BlobSha::of(path.as_bytes()).as_str())
                .fetch_one(&mut *tx)
                .await
                .unwrap();
                for ((&n, vector), ordinal) in numbers.iter().zip(vectors).zip(0u32..) {
                    // As long as chunks of 512 tokens are.
                    let text = format!("Chunk {n}. {}", "Some words about the topic of it. ".repeat(55));
                    let hash = Hash::of(text.as_bytes());
                    sqlx::query(
                        "INSERT INTO chunks VALUES (NULL, ?, ?, ?, 0, 0, 1, 1, '[]', NULL, 1, '', ?, ?, ?)",
                    )
                    .bind(document)
                    .bind(ordinal)
                    .bind(self::id(&source, n, &fingerprint).as_bytes().to_vec())
                    .bind(text)
                    .bind(hash.as_bytes())
                    .bind(hash.as_bytes())
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                    sqlx::query("INSERT INTO vectors (embedder, text_hash, vector) VALUES ('bench', ?, ?)")
                        .bind(hash.as_bytes())
                        .bind(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                }
            }
            sqlx::query("INSERT OR REPLACE INTO heads VALUES (1, 'docs', ?, NULL, NULL, NULL, NULL, NULL, '', '', NULL, 0, 0)")
                .bind(generation)
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.db).await.unwrap();
    }

    /// What exact search over the first generation finds, and the median time of a search.
    pub(crate) fn exact(&self, queries: &[Vec<f32>]) -> (Vec<HashSet<ChunkId>>, Duration) {
        let (source, fingerprint) = (SourceName::parse("docs").unwrap(), Fingerprint::from_stored("f"));
        let all: Vec<f32> = (0..self.count).flat_map(|n| self.vector(n)).collect();
        let mut taken = Vec::new();
        let mut found = Vec::new();
        for query in queries {
            let start = Instant::now();
            let mut scores: Vec<(f32, usize)> =
                all.chunks_exact(self.dimensions).map(|v| dot(v, query)).zip(0..).collect();
            scores.select_nth_unstable_by(10, |(a, _), (b, _)| b.total_cmp(a));
            taken.push(start.elapsed());
            found.push(scores[..10].iter().map(|&(_, n)| id(&source, n, &fingerprint)).collect());
        }
        taken.sort();
        (found, taken[taken.len() / 2])
    }
}

fn id(source: &SourceName, n: usize, fingerprint: &Fingerprint) -> ChunkId {
    ChunkId::derive(source, &n.to_string(), &BlobSha::of(b""), fingerprint, 0)
}

/// As one would write it, in a form that the compiler makes vector instructions of.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a.len() / 16 * 16;
    sums.iter().sum::<f32>() + a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum::<f32>()
}

/// A vector of length one, about normally distributed or, around a topic, with a cosine of about 0.6
/// to it, as embeddings of texts of one kind have.
fn vector(seed: u64, dimensions: usize, topic: Option<&[f32]>) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut normal = || {
        (0..4)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .sum::<f32>()
    };
    let mut noise: Vec<f32> = (0..dimensions).map(|_| normal()).collect();
    scale(&mut noise, 1.0);
    if let Some(topic) = topic {
        scale(&mut noise, 0.8);
        noise.iter_mut().zip(topic).for_each(|(x, topic)| *x += 0.6 * topic);
        scale(&mut noise, 1.0);
    }
    noise
}

fn scale(vector: &mut [f32], length: f32) {
    let now = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x *= length / now);
}
