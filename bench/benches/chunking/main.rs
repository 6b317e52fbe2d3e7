//! How fast documents are chunked, and how well: `cargo bench --bench chunking`.
//!
//! Beside Lectern's chunker the same run measures what is usual (text-splitter with tiktoken-rs),
//! text-splitter with the counter Lectern uses, and the limit of any design that parses and counts
//! every byte once. It ends with a table of ratios and three lines for programs. `LECTERN_BENCH_MODEL`
//! names the folder of a model whose `tokenizer.json` has a row there too.

#![allow(missing_docs, clippy::print_stdout)]

mod corpus;
mod quality;
mod ratios;
mod subjects;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

use corpus::Corpus;
use subjects::Subjects;

fn main() {
    let corpus = Corpus::load();
    println!(
        "corpus: {} documents, {:.2} MB from {}",
        corpus.documents.len(),
        corpus.megabytes(),
        corpus.from
    );
    let subjects = Subjects::new(&corpus);
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let filtered = std::env::args().skip(1).any(|arg| !arg.starts_with("--bench"));
    measure(&mut criterion, &corpus, &subjects);
    criterion.final_summary();
    if !filtered {
        quality::print(&subjects);
        ratios::print(&corpus, &subjects);
    }
}

fn measure(criterion: &mut Criterion, corpus: &Corpus, subjects: &Subjects<'_>) {
    let mut group = criterion.benchmark_group("chunk");
    group.throughput(Throughput::Bytes(corpus.bytes() as u64)).sampling_mode(SamplingMode::Flat);
    for cap in [256, 512, 1024] {
        group.bench_function(BenchmarkId::new("lectern, one thread", cap), |b| {
            b.iter(|| subjects.lectern(cap))
        });
        group.bench_function(BenchmarkId::new("lectern, all cores", cap), |b| {
            b.iter(|| subjects.lectern_parallel(cap));
        });
    }
    group.bench_function("limit: parse", |b| b.iter(|| subjects.parse()));
    group.bench_function("limit: count", |b| b.iter(|| subjects.count()));
    group.bench_function("limit: parse and count", |b| b.iter(|| subjects.parse_and_count()));
    group.bench_function("text-splitter + tiktoken, 512", |b| b.iter(|| subjects.splitter_fast(512)));
    group.bench_function("text-splitter + tiktoken-rs, 512", |b| b.iter(|| subjects.splitter_usual(512)));
    group.finish();
}
