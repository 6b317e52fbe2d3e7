//! What a sync does not do unless it is told that it is meant.

use std::collections::BTreeSet;

use lectern_index::config::SyncSettings;

use super::Sync;
use crate::exit::{Exit, Failure};
use crate::plan::{self, Plan};
use crate::source::Snapshot;
use crate::store::Begun;

impl Sync<'_> {
    /// Refuses a plan that looks like an accident.
    pub(super) fn guard(&self, begun: &Begun, snapshot: &Snapshot, plan: &Plan) -> Result<(), Failure> {
        if self.allow_mass_delete {
            return Ok(());
        }
        // Against what is served, which under a new fingerprint is another build.
        let listed: BTreeSet<&str> = snapshot.entries.iter().map(|entry| entry.path.as_str()).collect();
        let moved: BTreeSet<&str> = plan.renamed.iter().map(|rename| rename.from.as_str()).collect();
        let removed = begun.served.iter().filter(|path| {
            let path = path.as_str();
            !listed.contains(path)
                && !moved.contains(path)
                && !snapshot.failures.iter().any(|failure| plan::covers(failure, path))
        });
        let listed = listed.len() + snapshot.failures.len();
        let SyncSettings { mass_delete_ratio, mass_delete_documents, .. } = self.settings;
        match plan::refusal(
            listed,
            begun.served.len(),
            removed.count(),
            mass_delete_ratio,
            mass_delete_documents,
        ) {
            Some(reason) => Err(Failure::new(Exit::Refused, format!("source {}: {reason}", begun.source))),
            None => Ok(()),
        }
    }
}
