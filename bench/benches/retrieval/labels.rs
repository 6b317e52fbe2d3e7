//! Questions whose answers are known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Documentation and questions about it.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) corpus: PathBuf,
    pub(crate) questions: Vec<Question>,
}

/// A question and the documents that answer it.
#[derive(Deserialize)]
pub(crate) struct Question {
    pub(crate) qid: String,
    pub(crate) kind: String,
    pub(crate) query: String,
    relevant: Vec<Relevant>,
}

#[derive(Deserialize)]
struct Relevant {
    path: String,
    grade: u32,
}

impl Question {
    /// The grade of each relevant document, by path; one that is named twice has its best.
    pub(crate) fn grades(&self) -> BTreeMap<&str, u32> {
        let mut grades = BTreeMap::new();
        for Relevant { path, grade } in &self.relevant {
            let best = grades.entry(path.as_str()).or_insert(0);
            *best = (*grade).max(*best);
        }
        grades
    }
}

impl Set {
    /// Reads the questions in `queries` about `corpus`.
    pub(crate) fn load(corpus: &Path, queries: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(queries).with_context(|| queries.display().to_string())?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let questions = lines
            .map(|(at, line)| {
                let question: Question = serde_json::from_str(line)
                    .with_context(|| format!("{}, line {}", queries.display(), at + 1))?;
                for path in question.grades().keys() {
                    let file = corpus.join(path);
                    anyhow::ensure!(file.is_file(), "{}: there is no {}", question.qid, file.display());
                }
                Ok(question)
            })
            .collect::<Result<_>>()?;
        let name = queries.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, corpus: corpus.to_owned(), questions })
    }
}

/// The folders of `LECTERN_CORPORA`, else of `shared/corpora` beside the repository, that have
/// questions of the same name in the folder `eval` beside it.
pub(crate) fn beside_the_repository() -> Result<Vec<Set>> {
    let shared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let corpora = std::env::var_os("LECTERN_CORPORA").map_or_else(shared, PathBuf::from);
    let eval = corpora.join("../eval");
    let Ok(folder) = std::fs::read_dir(&eval) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let named = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
    let pairs = named.filter_map(|file| Some((corpora.join(file.file_stem()?), file)));
    pairs.filter(|(corpus, _)| corpus.is_dir()).map(|(corpus, queries)| Set::load(&corpus, queries)).collect()
}
