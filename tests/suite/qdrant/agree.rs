//! Labelled questions find the same in Qdrant as in a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::contract::paths;
use super::{Collections, shared};
use crate::ingest::workspace::Workspace;
use crate::programs::{Server, corpora};

/// Documents that count.
const TOP: usize = 10;

/// A question, and the grade of each document that answers it.
type Question = (String, BTreeMap<String, f64>);

fn questions(file: &Path) -> Vec<Question> {
    let text = std::fs::read_to_string(file).expect("labelled questions");
    let question = |line: &str| {
        let question: Value = serde_json::from_str(line).expect("JSON");
        let relevant = question["relevant"].as_array().expect("a list").iter().map(|relevant| {
            (
                relevant["path"].as_str().expect("a path").to_owned(),
                relevant["grade"].as_f64().expect("a grade"),
            )
        });
        (question["query"].as_str().expect("a text").to_owned(), relevant.collect())
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(question).collect()
}

/// nDCG of a ranking: gains are grades, halved along the logarithm of the place.
fn ndcg(ranking: &[String], grades: &BTreeMap<String, f64>) -> f64 {
    let dcg = |gains: Vec<f64>| -> f64 {
        gains.iter().take(TOP).enumerate().map(|(place, gain)| gain / (place as f64 + 2.0).log2()).sum()
    };
    let mut best: Vec<f64> = grades.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    dcg(ranking.iter().map(|path| grades.get(path).copied().unwrap_or_default()).collect()) / dcg(best)
}

/// The documents that a question finds, best first.
fn documents(server: &Server, source: &str, query: &str) -> Vec<String> {
    let arguments = json!({ "query": query, "source": source, "max_results": 50, "max_tokens": 20000 });
    let mut documents: Vec<String> = Vec::new();
    for path in paths(server, arguments) {
        if !documents.contains(&path) {
            documents.push(path);
        }
    }
    documents
}

#[test]
fn labelled_questions_find_the_same_documents() {
    let Some(url) = shared() else { return };
    let sets: Vec<_> = corpora()
        .into_iter()
        .filter_map(|corpus| {
            let name = corpus.file_name()?.to_str()?.to_owned();
            let file = corpus.ancestors().nth(2)?.join(format!("eval/{name}.jsonl"));
            file.is_file().then(|| (corpus.display().to_string(), name, questions(&file)))
        })
        .collect();
    if sets.is_empty() {
        eprintln!("skipped: there are no labelled questions beside the corpora");
        return;
    }
    let collections = Collections::at(url);
    let workspaces = [Workspace::new(&[]), Workspace::new(&[]).with_index(collections.index())];
    let servers = workspaces.each_ref().map(|workspace| {
        let folders: Vec<&str> = sets.iter().map(|(folder, ..)| folder.as_str()).collect();
        let (code, _, error) = workspace.run(&[&["sync", "--quiet"][..], &folders].concat());
        assert_eq!(code, 0, "{error}");
        Server::start(&workspace.index())
    });
    let (mut asked, mut same, mut sums) = (0, 0, [0.0; 2]);
    for (_, source, questions) in &sets {
        for (query, grades) in questions {
            let found = servers.each_ref().map(|server| documents(server, source, query));
            asked += 1;
            same += usize::from(found[0].first() == found[1].first());
            for (sum, ranking) in sums.iter_mut().zip(&found) {
                *sum += ndcg(ranking, grades);
            }
        }
    }
    let [file, qdrant] = sums.map(|sum| sum / asked as f64);
    eprintln!(
        "{asked} questions: nDCG@{TOP} {file:.4} in a file, {qdrant:.4} in Qdrant, {same} with the same first document"
    );
    assert!((file - qdrant).abs() <= 0.01, "nDCG {file:.4} and {qdrant:.4}");
    assert!(same * 10 >= asked * 8, "{same} of {asked} have the same first document");
}
