//! Vectors that are kept from one run to the next, in `target/bench-retrieval`: embedding takes minutes, and
//! equal text under one embedder id has equal vectors.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use lectern_index::chunk::Hash;
use lectern_index::embed::{EmbedError, Embedded, Embedder, Kind, Limits};
use lectern_index::fingerprint::EmbedderId;
use lectern_index::tokens::Tokenizer;

/// An embedder that asks another only for what is not in its file.
pub(crate) struct Kept {
    inner: Arc<dyn Embedder>,
    state: Mutex<State>,
}

struct State {
    /// By [`key`]; the file has each as its 32 bytes and the numbers, little-endian.
    vectors: HashMap<Vec<u8>, Vec<f32>>,
    file: File,
    asked: usize,
    took: Duration,
}

impl Kept {
    pub(crate) fn open(inner: Arc<dyn Embedder>) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-retrieval");
        std::fs::create_dir_all(&folder)?;
        let id = Hash::of(inner.id().as_str().as_bytes()).to_string();
        let path = folder.join(format!("{}.vectors", &id[..16]));
        let bytes = std::fs::read(&path).unwrap_or_default();
        let record = 32 + 4 * inner.dimensions() as usize;
        let records = bytes.chunks_exact(record).map(|record| {
            let (key, numbers) = record.split_at(32);
            let numbers = numbers.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number));
            (key.to_vec(), numbers.collect())
        });
        let vectors = records.collect();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        // A run that died in the middle of a record.
        file.set_len((bytes.len() / record * record) as u64)?;
        let state = State { vectors, file, asked: 0, took: Duration::ZERO };
        Ok(Self { inner, state: Mutex::new(state) })
    }

    /// Texts that were not in the file.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked
    }

    /// Seconds that their vectors took.
    pub(crate) fn seconds(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).took.as_secs_f64()
    }
}

fn key(text: &str) -> Vec<u8> {
    Hash::of(text.as_bytes()).as_bytes().to_vec()
}

#[async_trait]
impl Embedder for Kept {
    fn id(&self) -> &EmbedderId {
        self.inner.id()
    }

    fn dimensions(&self) -> u32 {
        self.inner.dimensions()
    }

    fn tokenizer(&self) -> &Tokenizer {
        self.inner.tokenizer()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn usd_per_million_tokens(&self) -> Option<f64> {
        self.inner.usd_per_million_tokens()
    }

    fn lacking(&self) -> Option<String> {
        self.inner.lacking()
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Embedded, EmbedError> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |text: &String| state().vectors.get(&key(text)).cloned();
        let missing: Vec<String> = texts.iter().filter(|text| known(text).is_none()).cloned().collect();
        let mut answer = Embedded::default();
        if !missing.is_empty() {
            let started = Instant::now();
            answer = self.inner.embed(kind, &missing).await?;
            let mut state = state();
            state.took += started.elapsed();
            state.asked += missing.len();
            for (text, vector) in missing.iter().zip(&answer.vectors) {
                let Ok(vector) = vector else { continue };
                let numbers = vector.iter().flat_map(|number| number.to_le_bytes());
                let record: Vec<u8> = key(text).into_iter().chain(numbers).collect();
                // What cannot be kept is computed again.
                let _ = state.file.write_all(&record);
                state.vectors.insert(key(text), vector.clone());
            }
        }
        let mut failed = missing.iter().zip(answer.vectors).filter(|(_, vector)| vector.is_err());
        answer.vectors = texts
            .iter()
            .map(|text| match known(text) {
                Some(vector) => Ok(vector),
                None => failed.next().map_or_else(|| Err("no vector came".into()), |(_, failure)| failure),
            })
            .collect();
        Ok(answer)
    }
}
