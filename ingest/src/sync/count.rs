//! What a sync did, in numbers. Pure.

use std::collections::BTreeSet;

use super::Work;
use crate::plan::Plan;
use crate::report::SourceReport;
use crate::store::Begun;

/// Counts documents and chunks into the report.
pub(super) fn count(report: &mut SourceReport, begun: &Begun, plan: &Plan, work: &Work) {
    let made: BTreeSet<&str> = work.staged.iter().map(|(path, ..)| path.as_str()).collect();
    let documents = &mut report.documents;
    // A draft that is published is new to readers; a document that became a draft is gone for them.
    let indexed = |path: &str| begun.known.get(path).is_some_and(|document| document.skipped.is_none());
    let entries = || plan.added.iter().chain(&plan.changed).map(|entry| entry.path.as_str());
    documents.added = entries().filter(|path| made.contains(path) && !indexed(path)).count() as u64;
    documents.changed = entries().filter(|path| made.contains(path) && indexed(path)).count() as u64;
    documents.renamed =
        plan.renamed.iter().filter(|rename| made.contains(rename.to.path.as_str())).count() as u64;
    let turned = work.skipped.iter().filter(|(path, ..)| indexed(path)).count();
    documents.removed = (plan.removed.iter().filter(|path| indexed(path)).count() + turned) as u64;
    documents.unchanged = plan.unchanged.len() as u64;
    report.chunks.added = work.made;
    report.chunks.reused = report.chunks.total;
}
