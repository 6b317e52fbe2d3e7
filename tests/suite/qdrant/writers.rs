//! Who may write an index, and when.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use qdrant_client::qdrant::{
    CreateAliasBuilder, CreateCollectionBuilder, NamedVectors, PointStruct, UpsertPointsBuilder, Value,
};
use serde_json::json;

use super::contract::fill;
use super::{in_qdrant, on_each, over_a_network, server};
use crate::ingest::workspace::{Workspace, page};
use crate::programs;

#[test]
fn one_writer_at_a_time_and_a_dry_run_writes_nothing() {
    on_each(|place, workspace| {
        fill(&workspace, 3);
        let (code, report) = workspace.sync(&["--dry-run"]);
        assert_eq!((code, &report["sources"][0]["documents"]["added"]), (0, &json!(3)), "{place}: {report}");
        let (code, _, error) = workspace.run(&["export"]);
        assert!(code == 5 && error.contains("there is no index at"), "{place}: {code} {error}");
        workspace.synced(&[]);
        fill(&workspace, 400);
        let mut first = workspace.ingest(&["sync", "docs", "--quiet"]);
        let mut first = first.stderr(Stdio::null()).spawn().expect("a child");
        let mut refused = false;
        while first.try_wait().expect("a child").is_none() {
            let (code, _, error) = workspace.run(&["sync", "docs", "--quiet"]);
            refused |= code == 7;
            assert!([0, 7].contains(&code), "{place}: {error}");
        }
        // Whichever was quicker.
        refused |= first.wait().expect("a child").code() == Some(7);
        assert!(refused, "{place}: no second writer was ever refused");
        workspace.verified();
    });
}

#[test]
fn who_is_told_to_stop_gives_the_lease_back() {
    in_qdrant(|workspace| given_back(&workspace));
}

/// What was on its way when the writer was stopped arrives after that.
#[test]
fn a_lease_that_was_given_back_over_a_bad_network_stays_so() {
    over_a_network(|proxy, _, workspace| {
        proxy.misbehave();
        given_back(&workspace);
    });
}

#[test]
fn a_lease_that_was_given_back_is_not_taken_by_what_comes_late() {
    over_a_network(|proxy, _, workspace| {
        let other = Workspace::new(&[]).with_index(workspace.index().display().to_string());
        for workspace in [&workspace, &other] {
            workspace.write("a.md", "# A\n");
        }
        for (what, is) in [("taking it", takes as fn(&[u8]) -> bool), ("renewing it", renews)] {
            proxy.hold(is, true);
            workspace.write("a.md", format!("# A\n\n{what}\n"));
            workspace.synced(&[]);
            assert!(proxy.holds(), "{what} was not held back");
            proxy.let_go();
            let (code, out, error) = other.run(&["sync", "docs"]);
            assert_eq!(code, 0, "{what}: {out}{error}");
        }
    });
}

#[test]
fn a_lease_that_was_renewed_meanwhile_is_not_taken() {
    over_a_network(|proxy, collections, workspace| {
        workspace.write("a.md", "# A\n");
        workspace.synced(&[]);
        let lasts = |seconds: i64| {
            server::wait(async {
                let until = chrono::Utc::now().timestamp() + seconds;
                let payload = [("holder", "another".into()), ("run", "its".into()), ("until", until.into())];
                let payload: HashMap<_, Value> = payload.into();
                let vectors = NamedVectors::default();
                let point = PointStruct::new(1, vectors, payload);
                let lease = format!("{}__lease", collections.name);
                let put = UpsertPointsBuilder::new(lease, [point]);
                let client = server::client(&collections.url);
                client.upsert_points(put.wait(true)).await.expect("a lease");
            });
        };
        // It has ended, is read, and is renewed before what takes it arrives.
        lasts(-5);
        proxy.hold(takes, false);
        let mut sync = workspace.ingest(&["sync", "docs"]);
        let sync = sync.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut sync = sync.spawn().expect("a child");
        while !proxy.holds() {
            assert!(sync.try_wait().expect("a child").is_none(), "it ended without a lease");
            std::thread::sleep(Duration::from_millis(1));
        }
        lasts(60);
        proxy.let_go();
        let (code, _, error) = programs::text(sync.wait_with_output().expect("a child"));
        assert!(code == 7 && error.contains("or until"), "{code} {error}");
    });
}

/// Whether a piece of what a writer sends takes the lease, or gives it back.
fn takes(piece: &[u8]) -> bool {
    ["holder", "run", "until"].iter().all(|field| has(piece, field))
}

/// Whether a piece of what a writer sends renews the lease.
fn renews(piece: &[u8]) -> bool {
    ["run", "until"].iter().all(|field| has(piece, field)) && !has(piece, "holder")
}

fn has(piece: &[u8], text: &str) -> bool {
    piece.windows(text.len()).any(|found| found == text.as_bytes())
}

fn given_back(workspace: &Workspace) {
    let other = Workspace::new(&[]).with_index(workspace.index().display().to_string());
    other.write("a.md", "# A\n");
    let mut stopped = false;
    for version in 0..20 {
        (0..200).for_each(|i| workspace.write(&format!("page{i}.md"), page(i, version)));
        let mut first = workspace.ingest(&["sync", "docs", "--quiet"]);
        let mut first = first.stderr(Stdio::null()).spawn().expect("a child");
        std::thread::sleep(Duration::from_millis(100 + 20 * version as u64));
        let stop = Command::new("kill").args(["-INT", &first.id().to_string()]).output();
        stop.expect("kill");
        stopped |= first.wait().expect("a child").code() == Some(4);
        let (code, out, error) = other.run(&["sync", "docs", "--allow-mass-delete"]);
        assert_eq!(code, 0, "{out}{error}");
    }
    assert!(stopped, "no sync was ever stopped");
}

#[test]
fn what_is_somebody_elses_is_neither_hidden_nor_written_into() {
    in_qdrant(|workspace| {
        let index = workspace.index().display().to_string();
        let (url, name) = index.rsplit_once('/').expect("a collection");
        workspace.write("a.md", "# A\n\ntext\n");
        let foreign = format!("{name}-theirs");
        server::wait(async {
            let client = server::client(url);
            let make = CreateCollectionBuilder::new(&foreign);
            client.create_collection(make).await.expect("a collection");
            let alias = CreateAliasBuilder::new(&foreign, name);
            client.create_alias(alias).await.expect("an alias");
            let make = CreateCollectionBuilder::new(format!("{foreign}-b__lease"));
            client.create_collection(make).await.expect("a collection");
            let vectors = NamedVectors::default();
            let point = PointStruct::new(1, vectors, [("theirs", 1.into())]);
            let put = UpsertPointsBuilder::new(format!("{foreign}-b__lease"), [point]);
            client.upsert_points(put.wait(true)).await.expect("a point");
            let make = CreateCollectionBuilder::new(format!("{foreign}-c__lease"));
            client.create_collection(make).await.expect("a collection");
            let id = "5d1c8a52-0c5f-4a4e-9d4e-0d8f3c1b2a70";
            let point = PointStruct::new(id, NamedVectors::default(), [("theirs", 1.into())]);
            let put = UpsertPointsBuilder::new(format!("{foreign}-c__lease"), [point]);
            client.upsert_points(put.wait(true)).await.expect("a point");
        });
        for taken in [name, &foreign, &format!("{foreign}-b"), &format!("{foreign}-c")] {
            let taken = format!("{url}/{taken}");
            let mut sync = programs::command("lectern-ingest");
            sync.args(["sync", "docs", "--index", &taken]).current_dir(workspace.root());
            let (code, _, error) = programs::text(programs::run(&mut sync));
            assert!(code == 5 && error.contains("choose another"), "{code} {error}");
        }
        server::wait(async {
            let client = server::client(url);
            let aliases = client.list_aliases().await.expect("aliases").aliases;
            let ours: Vec<_> = aliases.iter().filter(|alias| alias.alias_name == name).collect();
            assert_eq!(ours[0].collection_name, foreign, "nobody moved it");
            for theirs in [&foreign, &format!("{foreign}-b__lease"), &format!("{foreign}-c__lease")] {
                let found = client.collection_info(theirs).await.expect("a collection").result.expect("told");
                assert!(found.payload_schema.is_empty() && found.points_count() <= 1, "{theirs}: {found:?}");
                client.delete_collection(theirs).await.expect("a collection that is gone");
            }
        });
    });
}

#[test]
fn another_machine_waits_for_the_lease() {
    in_qdrant(|workspace| {
        // Another folder, so another ledger and lock: as on another machine.
        let other = Workspace::new(&[]).with_index(workspace.index().display().to_string());
        // Which of the two is quicker is theirs; the other one is refused, unless they miss each other.
        let mut refused = String::new();
        for version in 0..20 {
            for workspace in [&workspace, &other] {
                (0..200).for_each(|i| workspace.write(&format!("page{i}.md"), page(i, version)));
            }
            let mut first = workspace.ingest(&["sync", "docs", "--quiet"]);
            let first = first.stderr(Stdio::piped()).spawn().expect("a child");
            let second = other.run(&["sync", "docs", "--quiet"]);
            let first = programs::text(first.wait_with_output().expect("a child"));
            for (code, _, error) in [first, second] {
                assert!([0, 7].contains(&code), "{error}");
                if code == 7 {
                    refused = error;
                }
            }
            if !refused.is_empty() {
                break;
            }
        }
        assert!(refused.contains("or until"), "no other machine was ever refused: {refused}");
        assert_eq!(other.run(&["sync", "docs"]).0, 0, "the lease was given back");
        other.verified();
    });
}
