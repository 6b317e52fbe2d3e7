//! Dense search on the embedded index: `cargo bench --bench vectors`.
//!
//! 100,000 clustered vectors of 1,536 numbers in a real index file. How long a search takes on one
//! core, how many of the truly nearest it finds, what memory the process takes, how long loading and
//! refreshing take; beside a plain scan in full precision, which is what one would write, and the time
//! that merely reading the bytes takes, which no scan can beat. Ends with lines for programs.
//!
//! `LECTERN_BENCH_VECTORS` and `LECTERN_BENCH_DIMENSIONS` make it smaller.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

mod library;

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use lectern_index::chunk::ChunkId;
use lectern_index::query::Terms;
use lectern_index::search::{Filter, Search, SearchIndex};
use lectern_index::sqlite::SqliteIndex;

use library::Library;

const QUERIES: usize = 100;
const MIB: f64 = (1 << 20) as f64;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test --benches` runs this too.
    let small = !std::env::args().any(|argument| argument == "--bench");
    let size = |name: &str, usual: usize| {
        let set = std::env::var(name).ok().and_then(|number| number.parse().ok());
        set.unwrap_or(if small { usual / 100 } else { usual })
    };
    let mut library =
        Library::new(size("LECTERN_BENCH_VECTORS", 100_000), size("LECTERN_BENCH_DIMENSIONS", 1536)).await;
    let (count, dimensions) = (library.count, library.dimensions);
    let numbers = (count * dimensions) as f64;
    println!("{count} vectors of {dimensions} numbers, {:.0} MiB in full precision", numbers * 4.0 / MIB);
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|n| library.query(n)).collect();

    // The program alone first: what follows takes memory of its own.
    let before = memory("RssAnon:");
    let index = SqliteIndex::new(library.path());
    let start = Instant::now();
    index.prepare().await.unwrap();
    let load = start.elapsed();
    let mut answers = Vec::new();
    let mut times = Vec::new();
    for length in [10, 200] {
        let mut taken = Vec::new();
        for query in &queries {
            let search = Search {
                terms: Terms::parse(""),
                vector: Some(query.clone()),
                filter: Filter::default(),
                candidates: length,
            };
            let start = Instant::now();
            let found = index.search(&search).await.unwrap();
            taken.push(start.elapsed());
            if length == 10 {
                answers.push(found.dense.iter().map(|hit| hit.chunk.id).collect::<HashSet<ChunkId>>());
            }
        }
        taken.sort();
        println!(
            "search, list of {length}: fastest {}, median {}, 95th percentile {}",
            ms(taken[0]),
            ms(taken[QUERIES / 2]),
            ms(taken[QUERIES * 95 / 100])
        );
        times.push(taken);
    }
    let (anonymous, resident, peak) = (memory("RssAnon:"), memory("VmRSS:"), memory("VmHWM:"));
    println!(
        "memory: {:.0} MiB resident ({:.0} MiB the program's own, {:.0} MiB before loading), {:.0} MiB at most",
        resident / MIB,
        anonymous / MIB,
        before / MIB,
        peak / MIB
    );
    println!("load: {:.2} s", load.as_secs_f64());

    library.change(count / 100).await;
    let start = Instant::now();
    index.prepare().await.unwrap();
    let refresh = start.elapsed();
    let refreshed = memory("VmHWM:");
    println!("refresh after 1 % changed: {}, {:.0} MiB at most", ms(refresh), refreshed / MIB);
    drop(index);

    // In full precision, after all that is measured above: it takes four times the memory.
    let (exact, plain) = library.exact(&queries);
    let hits: usize =
        exact.iter().zip(&answers).map(|(exact, found)| exact.intersection(found).count()).sum();
    let recall = hits as f64 / exact.iter().map(HashSet::len).sum::<usize>() as f64;
    println!("recall@10 against exact search: {recall:.4}");
    println!("plain scan in full precision: median {}", ms(plain));
    let read = read(numbers as usize);
    println!(
        "reading as many bytes as the scan does: median {}, fastest {}",
        ms(read[read.len() / 2]),
        ms(read[0])
    );

    let figure = |name: &str, value: f64| println!("{name}: {value:.4}");
    println!();
    figure("search_10_fastest_ms", millis(times[0][0]));
    figure("search_10_p50_ms", millis(times[0][QUERIES / 2]));
    figure("search_10_p95_ms", millis(times[0][QUERIES * 95 / 100]));
    figure("search_200_p50_ms", millis(times[1][QUERIES / 2]));
    figure("recall_at_10", recall);
    figure("peak_memory_mib", peak / MIB);
    figure("load_s", load.as_secs_f64());
    figure("refresh_ms", millis(refresh));
    figure("plain_f32_scan_p50_ms", millis(plain));
    figure("read_fastest_ms", millis(read[0]));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", millis(time))
}

/// How long this machine takes to read so many bytes from memory, sorted.
fn read(bytes: usize) -> Vec<Duration> {
    let words: Vec<u64> = (0..bytes as u64 / 8).collect();
    let mut taken: Vec<Duration> = (0..30)
        .map(|_| {
            let start = Instant::now();
            black_box(words.iter().fold(0u64, |sum, word| sum ^ word));
            start.elapsed()
        })
        .collect();
    taken.sort();
    taken
}

/// What the kernel says of this process, in bytes; 0 where it does not say.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default() * 1024.0
}
