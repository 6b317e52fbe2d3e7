//! Who may write an index, and when.

use std::time::Duration;

use serde_json::json;

use super::contract::fill;
use super::proxy::Proxy;
use super::{Collections, in_qdrant, on_each, shared};
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
        let mut first = first.stderr(std::process::Stdio::null()).spawn().expect("a child");
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
    let Some(url) = shared() else { return };
    let Some(port) = super::local_port(url) else {
        eprintln!("skipped: {url} is not on this machine");
        return;
    };
    let collections = Collections::at(url);
    let proxy = Proxy::before(port);
    proxy.delay(Duration::from_millis(1));
    proxy.reorder();
    proxy.unsteady();
    given_back(&Workspace::new(&[]).with_index(format!("{}/{}", proxy.url(), collections.name)));
}

fn given_back(workspace: &Workspace) {
    let other = Workspace::new(&[]).with_index(workspace.index().display().to_string());
    other.write("a.md", "# A\n");
    let mut stopped = false;
    for version in 0..20 {
        (0..200).for_each(|i| workspace.write(&format!("page{i}.md"), page(i, version)));
        let mut first = workspace.ingest(&["sync", "docs", "--quiet"]);
        let mut first = first.stderr(std::process::Stdio::null()).spawn().expect("a child");
        std::thread::sleep(Duration::from_millis(100 + 20 * version as u64));
        let stop = std::process::Command::new("kill").args(["-INT", &first.id().to_string()]).output();
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
        super::server::wait(async {
            let client = super::server::client(url);
            let make = qdrant_client::qdrant::CreateCollectionBuilder::new(&foreign);
            client.create_collection(make).await.expect("a collection");
            let alias = qdrant_client::qdrant::CreateAliasBuilder::new(&foreign, name);
            client.create_alias(alias).await.expect("an alias");
            let make = qdrant_client::qdrant::CreateCollectionBuilder::new(format!("{foreign}-b__lease"));
            client.create_collection(make).await.expect("a collection");
            let vectors = qdrant_client::qdrant::NamedVectors::default();
            let point = qdrant_client::qdrant::PointStruct::new(1, vectors, [("theirs", 1.into())]);
            let put = qdrant_client::qdrant::UpsertPointsBuilder::new(format!("{foreign}-b__lease"), [point]);
            client.upsert_points(put.wait(true)).await.expect("a point");
        });
        for taken in [index.clone(), format!("{url}/{foreign}"), format!("{url}/{foreign}-b")] {
            let mut sync = crate::programs::command("lectern-ingest");
            sync.args(["sync", "docs", "--index", &taken]).current_dir(workspace.root());
            let (code, _, error) = crate::programs::text(crate::programs::run(&mut sync));
            assert!(code == 5 && error.contains("choose another"), "{code} {error}");
        }
        super::server::wait(async {
            let client = super::server::client(url);
            let aliases = client.list_aliases().await.expect("aliases").aliases;
            let ours: Vec<_> = aliases.iter().filter(|alias| alias.alias_name == name).collect();
            assert_eq!(ours[0].collection_name, foreign, "nobody moved it");
            for theirs in [&foreign, &format!("{foreign}-b__lease")] {
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
            let first = first.stderr(std::process::Stdio::piped()).spawn().expect("a child");
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
