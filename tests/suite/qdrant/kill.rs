//! SIGKILL at any moment of a sync into Qdrant.

use super::in_qdrant;
use crate::ingest::embedding::kill::kill_while_embedding;
use crate::ingest::kill::{kill_and_rob_syncs, kill_syncs, kills};
use crate::openai::Hybrid;

#[test]
fn killed_at_any_moment_a_sync_into_qdrant_leaves_the_old_or_the_new() {
    in_qdrant(|workspace| kill_syncs(&workspace, kills(1)));
}

#[test]
fn killed_and_robbed_of_its_ledger_a_sync_into_qdrant_leaves_the_old_or_the_new() {
    in_qdrant(|workspace| kill_and_rob_syncs(&workspace, kills(5)));
}

#[test]
fn killed_at_any_moment_a_sync_into_qdrant_pays_once_and_publishes_whole() {
    in_qdrant(|workspace| {
        let exports = kill_while_embedding(Hybrid::of(workspace)).map(|hybrid| hybrid.run(&["export"]).1);
        assert_eq!(exports[0], exports[1]);
    });
}
