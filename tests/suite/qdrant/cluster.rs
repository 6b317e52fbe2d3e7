//! A cluster of three machines: what the settings of it do, and what the loss of one does not stop.

use std::time::{Duration, Instant};

use qdrant_client::qdrant::ReplicaState;

use super::in_qdrant;
use super::server::{Qdrant, client, free_port, wait};
use crate::ingest::workspace::{Workspace, page};

/// Sources: enough that each machine has the head of one.
const SOURCES: [&str; 7] =
    ["docs/part0", "docs/part1", "docs/part2", "docs/part3", "docs/part4", "docs/part5", "docs/part6"];

const SETTINGS: [&str; 3] =
    ["index.shard_number=3", "index.replication_factor=2", "index.write_consistency_factor=1"];

/// Three Qdrants that know each other.
fn cluster() -> Option<Vec<Qdrant>> {
    let ports = [free_port(), free_port(), free_port()];
    let uri = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let start = |(port, own): (u16, &String)| {
        let port = port.to_string();
        let mut variables = vec![
            ("QDRANT__CLUSTER__ENABLED", "true"),
            ("QDRANT__CLUSTER__P2P__PORT", port.as_str()),
            ("QDRANT_URI", own.as_str()),
        ];
        if *own != uri[0] {
            variables.push(("QDRANT_BOOTSTRAP", uri[0].as_str()));
        }
        Qdrant::start(&variables)
    };
    ports.into_iter().zip(&uri).map(start).collect()
}

/// Shards and active copies of a collection, as one machine sees it.
fn copies(of: &Qdrant, collection: &str) -> (usize, usize) {
    let Ok(info) = wait(client(&of.url()).collection_cluster_info(collection)) else { return (0, 0) };
    let local = info.local_shards.iter().map(|shard| (shard.shard_id, shard.state));
    let remote = info.remote_shards.iter().map(|shard| (shard.shard_id, shard.state));
    let copies: Vec<_> = local.chain(remote).collect();
    let shards: std::collections::HashSet<_> = copies.iter().map(|(shard, _)| shard).collect();
    let active = copies.iter().filter(|(_, state)| *state == ReplicaState::Active as i32).count();
    (shards.len(), active)
}

/// Waits until every machine sees every copy.
fn whole(cluster: &[Qdrant]) {
    let started = Instant::now();
    let is_whole = |one: &Qdrant| copies(one, "docs") == (3, 6) && copies(one, "docs__lease") == (1, 2);
    while !cluster.iter().all(is_whole) {
        assert!(started.elapsed() < Duration::from_secs(60), "not every shard has two copies");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn sync(workspace: &Workspace) {
    let mut arguments = [&["sync", "--quiet"][..], &SOURCES].concat();
    arguments.extend(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
    let (code, out, error) = workspace.run(&arguments);
    assert_eq!(code, 0, "{out}{error}");
}

#[test]
fn a_lost_machine_of_a_cluster_stops_neither_searches_nor_syncs() {
    let Some(mut cluster) = cluster() else {
        eprintln!("skipped: LECTERN_TEST_QDRANT_BIN is not set");
        return;
    };
    let workspace = Workspace::with_documents(21).with_index(format!("{}/docs", cluster[0].url()));
    sync(&workspace);
    whole(&cluster);
    for lost in [1, 2] {
        cluster[lost].kill();
        workspace.verified();
        for i in 0..21 {
            workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, lost));
        }
        sync(&workspace);
        workspace.verified();
        let without = workspace.export();
        assert!(without.contains(&format!("answers in version{lost}")));
        cluster[lost].restart();
        whole(&cluster);
        for one in &cluster {
            let index = format!("{}/docs", one.url());
            let mut export = crate::programs::command("lectern-ingest");
            let (code, out, error) =
                crate::programs::text(crate::programs::run(export.args(["export", "--index", &index])));
            assert_eq!(code, 0, "{error}");
            assert_eq!(out, without, "who was away has what it missed");
        }
    }
}

#[test]
fn a_setting_that_comes_too_late_for_a_collection_is_said() {
    in_qdrant(|workspace| {
        workspace.write("a.md", "# A\n\ntext\n");
        let said = |setting: &str| {
            let (code, out, error) = workspace.run(&["sync", "docs", "--set", setting]);
            assert_eq!(code, 0, "{out}{error}");
            error.contains("does not count")
        };
        assert!(!said("index.shard_number=2"), "the collection is made with it");
        assert!(!said("index.shard_number=2"));
        assert!(said("index.shard_number=3"));
        assert!(said("index.replication_factor=2"));
    });
}
