//! SIGKILL at any moment of a sync into Qdrant, while somebody reads without pause.

use super::in_qdrant;
use crate::ingest::kill::{kill_syncs, kills};

#[test]
fn killed_at_any_moment_a_sync_into_qdrant_leaves_the_old_or_the_new() {
    in_qdrant(|workspace| kill_syncs(&workspace, kills(1)));
}
