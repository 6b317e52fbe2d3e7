//! What a sync has to do. Pure: a listing, what the ledger knows, and nothing else.

use std::collections::BTreeMap;

use lectern_index::document::BlobSha;

use crate::source::{Entry, Problem};

/// What the ledger knows of a source's documents, by path.
pub type Known = BTreeMap<String, KnownDocument>;

/// What the ledger knows of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDocument {
    /// The content it was indexed from.
    pub blob_sha: BlobSha,
    /// Why it was looked at but is not in the index (a draft); `None` if it is.
    pub skipped: Option<String>,
}

/// What has to be done to bring a source up to date. Every listed path is in exactly one of
/// `added`, `changed`, `renamed` and `unchanged`; every known path that is not listed is in
/// `removed`, the origin of a rename, or kept because it could not be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New paths.
    pub added: Vec<Entry>,
    /// Known paths with other content.
    pub changed: Vec<Entry>,
    /// Known content under a new path.
    pub renamed: Vec<Rename>,
    /// Known paths that are gone.
    pub removed: Vec<String>,
    /// Known paths with known content, in the index.
    pub unchanged: Vec<String>,
    /// Known paths with known content, left out of the index on purpose, and why.
    pub skipped: Vec<Problem>,
}

/// A document that moved.
#[derive(Debug, PartialEq, Eq)]
pub struct Rename {
    /// The path it had.
    pub from: String,
    /// What it is now.
    pub to: Entry,
}

impl Plan {
    /// Whether the index is already what it should be.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.renamed.is_empty() && self.removed.is_empty()
    }

    /// The entries whose content is needed.
    pub fn to_fetch(&self) -> Vec<Entry> {
        self.added.iter().chain(&self.changed).cloned().collect()
    }
}

/// Compares `entries` with what is `known`. What could not be read (`failures`: files, or folders
/// with all below them) is neither changed nor removed.
pub fn plan(entries: &[Entry], known: &Known, failures: &[Problem]) -> Plan {
    let mut plan = Plan::default();
    let listed: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut gone: BTreeMap<&BlobSha, Vec<&str>> = BTreeMap::new();
    for (path, document) in known.iter().rev() {
        if listed.contains_key(path.as_str()) || failures.iter().any(|failure| covers(failure, path)) {
            continue;
        }
        if document.skipped.is_some() {
            plan.removed.push(path.clone());
        } else {
            gone.entry(&document.blob_sha).or_default().push(path);
        }
    }
    for entry in listed.values().copied() {
        match known.get(&entry.path) {
            Some(document) if document.blob_sha == entry.blob_sha => match &document.skipped {
                None => plan.unchanged.push(entry.path.clone()),
                Some(reason) => {
                    plan.skipped.push(Problem { path: entry.path.clone(), reason: reason.clone() });
                }
            },
            Some(_) => plan.changed.push(entry.clone()),
            // The first path that is gone becomes the first that is new, so that equal input gives
            // an equal plan.
            None => match gone.get_mut(&entry.blob_sha).and_then(Vec::pop) {
                Some(from) => plan.renamed.push(Rename { from: from.to_owned(), to: entry.clone() }),
                None => plan.added.push(entry.clone()),
            },
        }
    }
    plan.removed.extend(gone.into_values().flatten().map(str::to_owned));
    plan.removed.sort();
    plan
}

/// Whether `failure` concerns `path`: the file itself, or a folder above it.
pub fn covers(failure: &Problem, path: &str) -> bool {
    path.strip_prefix(failure.path.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || failure.path.is_empty())
}

/// Why a plan is refused unless `--allow-mass-delete` is given; `None` if it may proceed.
///
/// `indexed` is what is served now. `listed` counts what the source yields, with what could not be
/// read.
pub fn refusal(listed: usize, indexed: usize, removed: usize, ratio: f64, documents: u64) -> Option<String> {
    if listed == 0 {
        let kept = if indexed == 0 {
            "nothing is indexed".to_owned()
        } else {
            format!("the {indexed} indexed documents stay")
        };
        return Some(format!(
            "it yields no document at all, so {kept}: check its path, include and exclude, or pass --allow-mass-delete if it is meant to be empty"
        ));
    }
    (removed as u64 > documents && removed as f64 > ratio * indexed as f64).then(|| {
        format!(
            "{removed} of {indexed} documents would be removed, so nothing was changed: pass --allow-mass-delete if that is meant"
        )
    })
}

#[cfg(test)]
mod tests;
