//! SIGKILL at any moment of a sync into Qdrant, while somebody reads without pause.

use super::in_qdrant;
use crate::ingest::kill::kill_syncs;

#[test]
fn killed_at_any_moment_a_sync_into_qdrant_leaves_the_old_or_the_new() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let (kills, seed) =
        (number("LECTERN_TEST_KILLS").unwrap_or(15), number("LECTERN_TEST_SEED").unwrap_or(7));
    in_qdrant(|workspace| kill_syncs(&workspace, kills, seed));
}
