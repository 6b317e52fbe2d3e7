//! The canary set: labelled questions that a new build must answer about as well as the one that is
//! served, before it is switched to.

use std::fmt;
use std::path::Path;

use lectern_index::config::SyncSettings;
use lectern_index::fingerprint::EmbedderId;
use lectern_index::fuse::fuse;
use lectern_index::query::Terms;
use lectern_index::search::{CANDIDATES, Filter, ReadError, Search, SearchIndex};
use serde::{Deserialize, Serialize};

use crate::embed::question_hash;
use crate::exit::{Exit, Failure};
use crate::progress::SourceProgress;
use crate::report::SourceReport;
use crate::sync::Sync;

/// A question counts as answered where a relevant document is among this many: what a caller sees of
/// one answer.
const DOCUMENTS: usize = 5;

/// Questions that a message names.
const NAMED: usize = 3;

/// Labelled questions.
#[derive(Debug)]
pub struct Canary {
    questions: Vec<Question>,
}

/// A line of the file. Whatever else it has, as labelled sets do, is left alone.
#[derive(Debug, Deserialize)]
struct Question {
    query: String,
    relevant: Vec<Relevant>,
}

#[derive(Debug, Deserialize)]
struct Relevant {
    path: String,
    /// Only in this source.
    source: Option<String>,
}

/// How both builds did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Questions that were asked.
    pub questions: usize,
    /// Of these, the ones that the served build answers.
    pub served: usize,
    /// The ones that the new build answers.
    pub new: usize,
    /// Whether the new build is served now.
    pub switched: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { questions, served, new, switched } = self;
        let then = if *switched { "switched to it" } else { "not switched to it" };
        write!(f, "the new build answers {new} of {questions} questions, the served one {served}: {then}")
    }
}

impl Canary {
    /// Reads a set: JSON lines of `query` and `relevant: [{path, source?}]`. Fails, with the line,
    /// where one is not, and where there is none.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let fail = |what: String| Failure::usage(format!("sync.canary: {}{what}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| fail(format!(" cannot be read: {error}")))?;
        let mut questions = Vec::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let question: Question = serde_json::from_str(line).map_err(|error| {
                fail(format!(
                    ":{number}: {error}; a line is {{\"query\": …, \"relevant\": [{{\"path\": …}}]}}"
                ))
            })?;
            if question.query.trim().is_empty() || question.relevant.is_empty() {
                return Err(fail(format!(":{number}: a question needs a query and a relevant path")));
            }
            questions.push(question);
        }
        if questions.is_empty() {
            return Err(fail(" has no questions: it would let every build pass".into()));
        }
        Ok(Self { questions })
    }

    fn texts(&self) -> Vec<&str> {
        self.questions.iter().map(|question| question.query.as_str()).collect()
    }

    /// Which questions `index` answers, with the vectors that there are for them.
    async fn answered(
        &self,
        index: &dyn SearchIndex,
        vectors: Vec<Option<Vec<f32>>>,
    ) -> Result<Vec<bool>, ReadError> {
        let mut answered = Vec::with_capacity(self.questions.len());
        for (question, vector) in self.questions.iter().zip(vectors) {
            let terms = Terms::parse(&question.query);
            let search = Search { terms, vector, filter: Filter::default(), candidates: CANDIDATES };
            let ranked = fuse(index.search(&search).await?, &search.terms);
            let mut documents: Vec<(&str, &str)> = Vec::new();
            for passage in &ranked {
                let document = (passage.chunk.source.as_str(), passage.chunk.path.as_str());
                if documents.len() < DOCUMENTS && !documents.contains(&document) {
                    documents.push(document);
                }
            }
            let wanted = |(source, path): &(&str, &str)| {
                question.relevant.iter().any(|relevant| {
                    relevant.path == *path && relevant.source.as_deref().is_none_or(|only| only == *source)
                })
            };
            answered.push(documents.iter().any(wanted));
        }
        Ok(answered)
    }
}

impl Sync<'_> {
    /// The canary set, where one is configured.
    pub(crate) fn canary(&self) -> Result<Option<Canary>, Failure> {
        let SyncSettings { canary, .. } = &self.settings;
        canary.as_deref().map(Canary::read).transpose()
    }

    /// Switches to the build that was filled, once it is complete, if it answers the canary set about
    /// as well as the one that is served.
    ///
    /// Each build is asked in the way it is searched. The questions' vectors are cached by every sync,
    /// so those of a model that is no longer configured are there when it is to be replaced; where
    /// they are not, because a question is new, both builds are asked it by words alone.
    ///
    /// Where there is nothing to judge, a service that fails is only noted: the sync is complete.
    pub(crate) async fn decide(
        &self,
        canary: Option<&Canary>,
        report: &mut SourceReport,
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let Some(canary) = canary.filter(|_| !self.dry_run) else { return Ok(()) };
        let texts = canary.texts();
        let embedded = match self.embedding {
            Some(embedding) => embedding.questions(&texts, progress).await,
            None => Ok(()),
        };
        let Some(candidate) = self.store.candidate(&self.spec).await? else {
            if let Err(failure) = embedded {
                report.notes.push(format!(
                    "the questions of the canary set were not embedded, the next sync tries again: {}",
                    failure.message
                ));
            }
            return Ok(());
        };
        embedded?;
        progress.doing("asking the canary set");
        let unreadable = |error: ReadError| Failure::new(Exit::IndexDown, error);
        let theirs = candidate.served.status().await.map_err(unreadable)?.embedder;
        let mut new = self.vectors(self.spec.embedder.as_ref().map(|(ours, _)| ours), &texts).await?;
        let served = self.vectors(theirs.as_ref(), &texts).await?;
        for (new, served) in new.iter_mut().zip(&served) {
            if theirs.is_some() && served.is_none() {
                *new = None;
            }
        }
        let new = canary.answered(&*candidate.new, new).await.map_err(unreadable)?;
        let served = canary.answered(&*candidate.served, served).await.map_err(unreadable)?;
        let count = |answered: &[bool]| answered.iter().filter(|answered| **answered).count();
        let mut verdict =
            Verdict { questions: texts.len(), served: count(&served), new: count(&new), switched: false };
        let loss = (verdict.served as f64 - verdict.new as f64) / texts.len() as f64;
        verdict.switched = loss <= self.settings.canary_max_loss;
        report.canary = Some(verdict.clone());
        if verdict.switched {
            return Ok(self.store.switch(&self.spec).await?);
        }
        let lost = new.iter().zip(&served).zip(&texts).filter(|((new, served), _)| **served && !**new);
        let lost: Vec<String> = lost.map(|(_, text)| format!("{text:?}")).take(NAMED).collect();
        Err(Failure::new(
            Exit::Refused,
            format!(
                "{verdict}. It no longer answers, among others, {}. The index that was served before is served on: \
                 go back to its settings, or allow the loss by sync.canary_max_loss",
                lost.join(", ")
            ),
        ))
    }

    /// The vectors of questions that the cache holds under `embedder`; none for a lexical build.
    async fn vectors(
        &self,
        embedder: Option<&EmbedderId>,
        questions: &[&str],
    ) -> Result<Vec<Option<Vec<f32>>>, Failure> {
        let Some(embedder) = embedder else { return Ok(vec![None; questions.len()]) };
        let hashes: Vec<_> = questions.iter().map(|question| question_hash(question)).collect();
        let mut known = self.cache.get(embedder, &hashes).await?;
        Ok(hashes.iter().map(|hash| known.remove(hash)).collect())
    }
}
