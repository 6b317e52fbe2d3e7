//! `lectern-ingest daemon` with its index in Qdrant.

use qdrant_client::qdrant::{
    DeletePointsBuilder, GetPointsBuilder, PointId, PointStruct, UpsertPointsBuilder, Value,
};

use super::contract::fill;
use super::server::{client, wait};
use super::{Collections, in_qdrant, shared};
use crate::ingest::daemon::{Daemon, configure, synced_when_due, wait_for};
use crate::ingest::workspace::{Workspace, page};

/// A workspace with an index in Qdrant, and the collection of its lease.
fn leased() -> Option<(Workspace, Collections, String)> {
    let collections = Collections::at(shared()?);
    let workspace = Workspace::new(&[]).with_index(collections.index());
    let lease = format!("{}__lease", collections.name);
    Some((workspace, collections, lease))
}

#[test]
fn sources_are_synced_into_qdrant_when_due() {
    in_qdrant(|workspace| {
        fill(&workspace, 3);
        synced_when_due(&workspace);
    });
}

#[test]
fn a_daemon_waits_for_the_lease_of_another_machine() {
    let Some((workspace, collections, lease)) = leased() else { return };
    fill(&workspace, 3);
    workspace.synced(&[]);
    let theirs: [(&str, Value); 2] = [("holder", "another".into()), ("until", i64::MAX.into())];
    let point = PointStruct::new(1, std::collections::HashMap::<String, Vec<f32>>::new(), theirs);
    let take = UpsertPointsBuilder::new(&lease, vec![point]).wait(true);
    wait(client(&collections.url).upsert_points(take)).expect("a lease");
    configure(&workspace, "* * * * * *", "");
    let daemon = Daemon::start(&workspace);
    wait_for("a run that finds the lease taken", || daemon.source("docs")["last_exit_code"] == 7);
    assert_eq!(daemon.source("docs")["failures_in_a_row"], 0, "it is no failure");
    let free = DeletePointsBuilder::new(&lease).points(vec![PointId::from(1)]).wait(true);
    wait(client(&collections.url).delete_points(free)).expect("no lease");
    wait_for("a run that does not", || daemon.source("docs")["last_exit_code"] == 0);
    daemon.end();
}

#[test]
fn a_daemon_that_is_ended_while_it_syncs_leaves_the_old_or_the_new() {
    let Some((workspace, collections, lease)) = leased() else { return };
    fill(&workspace, 300);
    workspace.synced(&[]);
    let old = workspace.export();
    for i in 0..300 {
        workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 1));
    }
    configure(&workspace, "* * * * * *", "shutdown_grace_seconds = 0\n");
    let daemon = Daemon::start(&workspace);
    wait_for("a sync", || {
        let get = GetPointsBuilder::new(&lease, vec![PointId::from(1)]).with_payload(true);
        let held = wait(client(&collections.url).get_points(get)).expect("the lease's collection");
        held.result.iter().any(|point| point.payload["until"].as_integer() > Some(0))
    });
    daemon.end();
    let (now, new) = (workspace.export(), workspace.fresh_export());
    assert!(now == old || now == new, "what is served is neither old nor new");
    workspace.synced(&[]);
    workspace.verified();
    assert_eq!(workspace.export(), new);
}
