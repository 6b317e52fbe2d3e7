use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use self::library::{Documents, Library, dense, search};
use super::*;
use crate::document::SourceName;
use crate::search::{Filter, SearchIndex};

mod library;

/// Numbers that look random: the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

/// Vectors of few different numbers: many pairs of them are exactly as far apart.
fn lattice(count: usize) -> Vec<Vec<f32>> {
    let mut noise = Noise(7);
    let mut vector = || -> Vec<f32> { (0..6).map(|_| (noise.next() * 1.5).round()).collect() };
    (0..count)
        .map(|_| {
            let mut numbers = vector();
            numbers[0] = 1.0;
            unit(numbers)
        })
        .collect()
}

#[derive(Debug, Clone)]
enum Step {
    Publish(&'static str, Documents),
    Prune(&'static str),
    NewBuild,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let source = || prop_oneof![Just("a"), Just("b")];
    let path = prop_oneof!["x/[0-4]", "y/[0-4]"];
    let texts = prop::collection::vec(0..40usize, 0..6);
    let documents = prop::collection::btree_map(path, texts, 0..8);
    let step = prop_oneof![
        8 => (source(), documents).prop_map(|(source, documents)| Step::Publish(source, documents)),
        1 => source().prop_map(Step::Prune),
        1 => Just(Step::NewBuild),
    ];
    prop::collection::vec(step, 1..10)
}

fn filters() -> impl Strategy<Value = Filter> {
    let source = prop::option::of(prop_oneof![Just("a"), Just("b"), Just("c")]);
    let path = prop::option::of(prop_oneof![Just("x/"), Just("y/1"), Just("z"), Just("")]);
    let version = prop::option::of(prop_oneof![Just("v1"), Just("v2")]);
    (source, path, version).prop_map(|(source, path, version)| Filter {
        source: source.map(|name| SourceName::parse(name).expect("a name")),
        path_prefix: path.map(str::to_owned),
        version: version.map(str::to_owned),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_publishes_the_dense_list_is_that_of_exact_search(
        steps in steps(),
        filters in prop::collection::vec(filters(), 3),
        count in 10..30usize,
    ) {
        Runtime::new().expect("a runtime").block_on(async {
            let mut library = Library::new(lattice(40)).await;
            let kept = SqliteIndex::new(library.path.clone());
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Publish(source, documents) => library.publish(source, documents).await,
                    Step::Prune(source) => library.prune(source).await,
                    Step::NewBuild => library.serve_new_build().await,
                }
                for filter in &filters {
                    let search = search(library.vectors[n].clone(), filter.clone(), count);
                    let found = dense(&kept.search(&search).await.expect("an answer"));
                    prop_assert_eq!(&found, &library.expected(&search), "refreshed, step {}", n);
                    let fresh = SqliteIndex::new(library.path.clone());
                    let found = dense(&fresh.search(&search).await.expect("an answer"));
                    prop_assert_eq!(&found, &library.expected(&search), "fresh, step {}", n);
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn of_any_geometry_nearly_all_of_the_nearest_are_found() {
    let mut noise = Noise(1);
    let mut random = |spread: f32, around: &[f32]| -> Vec<f32> {
        // Sums of some numbers are about normal.
        let mut normal = || (0..4).map(|_| noise.next()).sum::<f32>();
        unit(around.iter().map(|x| x + normal() * spread).collect())
    };
    let centres: Vec<Vec<f32>> = (0..30).map(|_| random(1.0, &[0.0; 64])).collect();
    // Spread out, in clusters, in clusters so dense that eight bits hardly tell their members apart,
    // and with one number above all others, which makes the scale coarse.
    for (what, spread, outlier) in
        [("even", 1.0, 0.0), ("clusters", 0.05, 0.0), ("dense", 0.005, 0.0), ("outlier", 0.05, 3.0)]
    {
        let mut vector = |n: usize| {
            let mut centre = centres[n % centres.len()].clone();
            centre[0] += outlier;
            random(spread, &centre)
        };
        let vectors: Vec<Vec<f32>> = (0..3000).map(&mut vector).collect();
        let queries: Vec<Vec<f32>> = (0..40).map(&mut vector).collect();
        let mut library = Library::new(vectors).await;
        let documents = (0..30).map(|n| (format!("{n}.md"), (n * 100..n * 100 + 100).collect()));
        library.publish("a", documents.collect()).await;
        let index = SqliteIndex::new(library.path.clone());
        let (mut hits, mut all) = (0, 0);
        for query in queries {
            let search = search(query, Filter::default(), 10);
            let found = dense(&index.search(&search).await.expect("an answer"));
            let expected = library.expected(&search);
            assert!(found.is_sorted_by(|(a, first), (b, second)| (b, first) <= (a, second)));
            // With the very score of exact search.
            hits += expected.iter().filter(|pair| found.contains(pair)).count();
            all += expected.len();
        }
        assert!(hits * 100 >= all * 99, "{what}: {hits} of {all}");
    }
}

#[tokio::test]
async fn text_that_is_everywhere_hides_nothing() {
    let mut library = Library::new(lattice(40)).await;
    let documents = (0..300).map(|n| (format!("{n}.md"), vec![0, 1, 2 + n % 38]));
    library.publish("a", documents.collect()).await;
    let index = SqliteIndex::new(library.path.clone());
    for count in [0, 1, 10, 299, 301, 700, 10_000] {
        let search = search(library.vectors[0].clone(), Filter::default(), count);
        let found = dense(&index.search(&search).await.expect("an answer"));
        assert_eq!(found, library.expected(&search), "{count}");
    }
}

#[tokio::test]
async fn vectors_that_cannot_be_used_are_left_out() {
    let mut library = Library::new(lattice(40)).await;
    library.publish("a", Documents::from([("a.md".into(), (0..20).collect())])).await;
    for (text, damage) in [
        ("0", "x'00'"),
        ("1", "x''"),
        ("2", "zeroblob(28)"),
        ("3", "CAST(x'0000c07f' || zeroblob(20) AS BLOB)"),
    ] {
        let update = format!(
            "UPDATE vectors SET vector = {damage} WHERE text_hash = (SELECT text_hash FROM chunks WHERE text = '{text}')"
        );
        sqlx::query(sqlx::AssertSqlSafe(update)).execute(&mut library.db).await.expect("an update");
    }
    let index = SqliteIndex::new(library.path.clone());
    let query = search(library.vectors[0].clone(), Filter::default(), 50);
    assert_eq!(index.search(&query).await.expect("an answer").dense.len(), 16);
    // Vectors that go behind the snapshot's back, as with a repair, and ids that others take over.
    for change in [
        "DELETE FROM vectors WHERE text_hash = (SELECT text_hash FROM chunks WHERE text = '10')",
        "UPDATE vectors SET text_hash = x'ff' WHERE text_hash = (SELECT text_hash FROM chunks WHERE text = '11')",
    ] {
        sqlx::query(change).execute(&mut library.db).await.expect("a change");
        let found = index.search(&query).await.expect("an answer").dense;
        let expected = library.expected(&query);
        assert!(
            dense(&index.search(&query).await.expect("an answer")).iter().all(|hit| expected.contains(hit))
        );
        assert_eq!(found.len(), if change.starts_with("DELETE") { 15 } else { 14 });
    }
    for bad in [vec![], vec![1.0; 5], vec![f32::NAN; 6]] {
        let query = search(bad, Filter::default(), 50);
        assert!(index.search(&query).await.expect("an answer").dense.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_while_generations_are_published_see_one_each() {
    const DOCUMENTS: usize = 12;
    let mut library = Library::new(lattice(40)).await;
    let generation =
        |n: usize| -> Documents { (0..DOCUMENTS).map(|at| (format!("{at}.md"), vec![n])).collect() };
    library.publish("a", generation(0)).await;
    let index = Arc::new(SqliteIndex::new(library.path.clone()));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let (index, done) = (index.clone(), done.clone());
            let query = search(library.vectors[0].clone(), Filter::default(), 50);
            tokio::spawn(async move {
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) || newest < 39 {
                    let found = index.search(&query).await.expect("an answer");
                    let texts: Vec<&str> = found.dense.iter().map(|c| c.chunk.chunk.text.as_str()).collect();
                    assert_eq!(texts.len(), DOCUMENTS);
                    assert!(texts.iter().all(|text| *text == texts[0]), "an answer mixes generations");
                    let state: u64 = texts[0].parse().expect("a number");
                    assert_eq!(found.status.heads[0].generation, state + 1);
                    assert!(state >= newest, "an answer went back in time");
                    newest = state;
                }
            })
        })
        .collect();
    for n in 1..40 {
        library.publish("a", generation(n)).await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("a reader");
    }
}
