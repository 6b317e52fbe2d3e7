//! Many texts on all cores: sorted by length, so that little is computed for padding.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Embedded, Loaded};
use crate::embed::checked;

/// Tokens that one core computes at once, padding included. Too high: memory, and intermediate
/// results that fit into no cache. Too low: the weights are read over and over.
const BATCH_TOKENS: usize = 1024;

/// Vectors for `texts`, in their order, computed on `cores` threads.
pub(super) fn embed(loaded: &Loaded, texts: &[String], cores: usize) -> Embedded {
    let rows: Vec<Result<Vec<u32>, String>> =
        texts.iter().map(|text| loaded.tokenizer.ids(text, loaded.limit)).collect();
    let mut vectors: Vec<Result<Vec<f32>, String>> = Vec::with_capacity(rows.len());
    let mut order = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        match row {
            Ok(ids) => {
                order.push((ids.as_slice(), at));
                vectors.push(Err("it was not computed".into()));
            }
            Err(reason) => vectors.push(Err(reason.clone())),
        }
    }
    // The longest first: what is done last should be short.
    order.sort_by_key(|(ids, at)| (std::cmp::Reverse(ids.len()), *at));
    let batches = batches(&order);
    for (batch, computed) in batches.iter().zip(compute(loaded, &batches, cores)) {
        for (&(_, at), vector) in batch.iter().zip(computed) {
            vectors[at] = vector;
        }
    }
    let tokens = order.iter().map(|(ids, _)| ids.len() as u64).sum();
    Embedded { vectors, tokens, ..Embedded::default() }
}

/// Token ids and the place of their text.
type Row<'a> = (&'a [u32], usize);

/// Cuts rows that are sorted by length into batches of at most [`BATCH_TOKENS`], at least one row each.
fn batches<'a, 'b>(mut rows: &'b [Row<'a>]) -> Vec<&'b [Row<'a>]> {
    let mut batches = Vec::new();
    while let Some((longest, _)) = rows.first() {
        let (batch, rest) = rows.split_at((BATCH_TOKENS / longest.len().max(1)).clamp(1, rows.len()));
        batches.push(batch);
        rows = rest;
    }
    batches
}

type Vectors = Vec<Result<Vec<f32>, String>>;

/// The vectors of each batch, in order.
fn compute(loaded: &Loaded, batches: &[&[Row<'_>]], cores: usize) -> Vec<Vectors> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(at) else { return done };
            done.push((at, one(loaded, batch)));
        }
    };
    let mut done: Vec<(usize, Vectors)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, vectors)| vectors).collect()
}

fn one(loaded: &Loaded, batch: &[Row<'_>]) -> Vectors {
    let rows: Vec<&[u32]> = batch.iter().map(|(ids, _)| *ids).collect();
    match loaded.model.vectors(&rows, loaded.pooling) {
        Ok(vectors) => vectors.into_iter().map(|vector| checked(vector, loaded.dimensions)).collect(),
        Err(error) => rows.iter().map(|_| Err(error.to_string())).collect(),
    }
}
