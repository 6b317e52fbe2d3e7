//! Vectors, wherever the index is.

use serde_json::{Value, json};

use super::contract::fill;
use super::{Collections, in_qdrant, on_each, shared};
use crate::ingest::workspace::{Workspace, page};
use crate::openai::hybrid::Hybrid;

/// The lines of an export with vectors, as JSON.
fn lines(hybrid: &Hybrid) -> Vec<Value> {
    hybrid.export().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_chunk_has_its_vector_and_nothing_is_embedded_twice() {
    on_each(|place, workspace| {
        fill(&workspace, 10);
        workspace.write("blank.md", "\n \n");
        let hybrid = Hybrid::of(workspace);
        let first = hybrid.synced(&[]);
        assert_eq!(first["mode"], "hybrid", "{place}");
        hybrid.vectors_are_right();
        hybrid.verified();
        hybrid.workspace.write("part0/page0000.md", page(0, 1));
        hybrid.workspace.write("part3/copy.md", page(3, 0));
        hybrid.synced(&[]);
        hybrid.vectors_are_right();
        hybrid.openai.take_counts();
        hybrid.workspace.remove("part3/copy.md");
        hybrid.workspace.write("part0/page0000.md", page(0, 0));
        hybrid.synced(&[]);
        assert_eq!(hybrid.openai.counts().requests, 0, "{place}");
        hybrid.vectors_are_right();
    });
}

#[test]
fn a_search_by_vector_finds_about_the_same_documents() {
    let found = std::sync::Mutex::new(Vec::new());
    on_each(|_, workspace| {
        fill(&workspace, 30);
        let hybrid = Hybrid::of(workspace);
        hybrid.synced(&[]);
        let mut query = crate::programs::command("lectern-serve");
        hybrid.configure(&mut query);
        query.args(["query", "the header of request 2 is read", "--json", "--max-results", "20"]);
        query.args(["--max-tokens", "20000", "--index"]).arg(hybrid.workspace.index());
        let (code, out, error) = crate::programs::text(crate::programs::run(&mut query));
        assert_eq!(code, 0, "{error}");
        let answer: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(answer["mode"], "hybrid");
        let paths: Vec<Value> =
            answer["results"].as_array().expect("hits").iter().map(|hit| hit["path"].clone()).collect();
        found.lock().expect("the lists").push(paths);
    });
    let found = found.into_inner().expect("the lists");
    for pair in found.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        assert!(!one.is_empty());
        let common = one.iter().filter(|path| other.contains(path)).count();
        assert!(common * 10 >= one.len() * 8, "{one:?} and {other:?}");
    }
}

#[test]
fn a_change_of_model_is_switched_to_at_once() {
    on_each(|place, workspace| {
        fill(&workspace, 6);
        let hybrid = Hybrid::of(workspace);
        hybrid.openai.know("another-model", 32);
        hybrid.synced(&[]);
        let other = ["--set", "embedding.model=another-model", "--set", "embedding.dimensions=32"];
        hybrid.synced(&other);
        let of_length = |length: usize| {
            lines(&hybrid)
                .iter()
                .all(|line| line["vector"].as_array().is_some_and(|vector| vector.len() == length))
        };
        assert!(of_length(32), "{place}");
        assert_eq!(hybrid.run(&[&["rollback"][..], &other].concat()).0, 0);
        assert!(of_length(crate::openai::hybrid::DIMENSIONS as usize), "{place}");
    });
}

#[test]
fn a_lost_ledger_costs_no_embedding_call() {
    in_qdrant(|workspace| {
        fill(&workspace, 8);
        let hybrid = Hybrid::of(workspace);
        hybrid.synced(&[]);
        let whole = hybrid.export();
        let lose = || {
            for ending in ["", "-wal", "-shm"] {
                let file = hybrid.workspace.root().join(format!("ledger.db{ending}"));
                std::fs::remove_file(file).expect("a ledger");
            }
        };
        lose();
        hybrid.openai.take_counts();
        let (code, out, error) = hybrid.run(&["rebuild-ledger"]);
        assert!(code == 0 && out.contains('8'), "{out}{error}");
        hybrid.verified();
        // A text that was there before has its vector, though the ledger is new.
        hybrid.workspace.write("again.md", page(1, 0));
        hybrid.synced(&[]);
        assert_eq!(hybrid.openai.counts().requests, 0);
        hybrid.vectors_are_right();
        hybrid.workspace.remove("again.md");
        lose();
        hybrid.synced(&[]);
        assert_eq!((hybrid.openai.counts().requests, hybrid.export()), (0, whole));
    });
}

#[test]
fn an_index_is_copied_there_and_back_without_embedding() {
    let Some(url) = shared() else { return };
    let collections = Collections::at(url);
    let workspace = Workspace::new(&[]);
    fill(&workspace, 9);
    let hybrid = Hybrid::of(workspace);
    hybrid.synced(&[]);
    let before = lines(&hybrid);
    hybrid.openai.take_counts();
    let copy = |from: &str, to: &str| {
        let mut copy = crate::programs::command("lectern-ingest");
        copy.args(["copy", "--from", from, "--to", to]).current_dir(hybrid.workspace.root());
        let (code, out, error) = crate::programs::text(crate::programs::run(&mut copy));
        assert!(code == 0 && out.contains('9'), "{out}{error}");
    };
    copy("lectern.db", &collections.index());
    copy(&collections.index(), "back.db");
    let mut export = crate::programs::command("lectern-ingest");
    export.args(["export", "--vectors", "--index", "back.db"]).current_dir(hybrid.workspace.root());
    let (_, out, _) = crate::programs::text(crate::programs::run(&mut export));
    let after: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(before.len(), after.len());
    for (mut before, mut after) in before.into_iter().zip(after) {
        let take = |line: &mut Value| -> Vec<f64> {
            let vector = line.as_object_mut().and_then(|line| line.remove("vector")).unwrap_or(json!([]));
            vector.as_array().expect("numbers").iter().filter_map(Value::as_f64).collect()
        };
        let (one, other) = (take(&mut before), take(&mut after));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-6) && one.len() == other.len());
        assert_eq!(before, after);
    }
    let mut verify = crate::programs::command("lectern-ingest");
    verify.args(["verify", "--index", "back.db"]).current_dir(hybrid.workspace.root());
    let (code, out, error) = crate::programs::text(crate::programs::run(&mut verify));
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(hybrid.openai.counts().requests, 0);
}
