//! SIGKILL at any moment of a sync that embeds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lectern_index::chunk::Hash;

use crate::ingest::kill::corpus::{check_out, commit};
use crate::ingest::kill::{Random, kill, kills, published};
use crate::ingest::workspace::Workspace;
use crate::openai::Hybrid;

/// How often a commit is tried: what was paid for at the first time is not paid for at the second.
const TRIES: u64 = 2;

#[test]
fn killed_at_any_moment_a_sync_pays_once_and_publishes_whole() {
    let [killed, fresh] = kill_while_embedding(Hybrid::of(Workspace::new(&[])));
    assert_eq!(killed.export(), fresh.export(), "vectors and all");
}

/// Kills syncs that embed at random moments; what they and one clean sync of the end into a fresh
/// file lead to.
pub(crate) fn kill_while_embedding(hybrid: Hybrid) -> [Hybrid; 2] {
    let docs = hybrid.workspace.docs();
    let mut random = Random::seeded();
    check_out(&docs, &commit(0));
    hybrid.synced(&[]);
    check_out(&docs, &commit(1));
    let started = Instant::now();
    hybrid.openai.latency(Duration::from_millis(100));
    hybrid.synced(&[]);
    let whole = started.elapsed();

    let (mut last, mut killed, mut free) = (1, 0, 0);
    for n in 0..kills(3) {
        let k = 2 + n / TRIES;
        check_out(&docs, &commit(k));
        let stored: BTreeSet<Hash> = hybrid.cached().into_iter().collect();
        // What the one before had asked is no answer to this one.
        while hybrid.openai.counts().in_flight > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        hybrid.openai.take_counts();
        let moment = whole.mul_f64(random.next() * 0.5);
        let end = kill(&mut hybrid.ingest(&["sync", "docs"]), |child| {
            // Later tries find more in the cache, and the last of them nothing to ask for.
            while hybrid.openai.counts().requests == 0 && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(moment);
        });
        assert!([None, Some(0)].contains(&end), "{end:?}");
        let counts = hybrid.openai.take_counts();
        killed += u64::from(end.is_none() && counts.requests > 0);
        let again = counts.answered.keys().filter(|text| stored.contains(&Hash::of(text.as_bytes())));
        assert_eq!(again.count(), 0, "what is stored is not asked for");
        free += u64::from(counts.requests == 0);
        let now = published(&hybrid.run(&["export"]).1);
        assert!(last <= now && now <= k, "commit {now} after {last}");
        last = now;
    }
    eprintln!(
        "{killed} of {} killed after they had asked, {free} asked for nothing, {last} published last",
        kills(3)
    );
    assert!(killed > 0, "no sync was ever killed while it embedded");

    hybrid.openai.recover();
    hybrid.synced(&[]);
    hybrid.vectors_are_right();
    hybrid.verified();
    let fresh = Hybrid::of(Workspace::new(&[]));
    check_out(&fresh.workspace.docs(), &commit(2 + (kills(3) - 1) / TRIES));
    fresh.synced(&[]);
    [hybrid, fresh]
}
