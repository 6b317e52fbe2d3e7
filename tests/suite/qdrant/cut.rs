//! What was cut short, or lost beside Qdrant, does not stop the next run.

use std::time::{Duration, Instant};

use qdrant_client::qdrant::{Condition, CountPointsBuilder, DeletePointsBuilder, Filter};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::server::{client, wait};
use super::{Collections, in_qdrant, shared};
use crate::ingest::workspace::{Workspace, page};
use crate::programs;

/// The collections of an index, without that of the lease.
fn builds(collections: &Collections) -> Vec<String> {
    let all = wait(client(&collections.url).list_collections()).expect("collections").collections;
    let ours = |name: &String| name.starts_with(&collections.name) && !name.ends_with("__lease");
    all.into_iter().map(|found| found.name).filter(ours).collect()
}

/// Configures sources, each with a folder of its own.
fn configure(workspace: &Workspace, names: &[&str]) {
    let source = |name: &&str| format!("[[source]]\nname = \"{name}\"\nfolder = \"docs/{name}\"\n");
    std::fs::write(workspace.root().join("lectern.toml"), names.iter().map(source).collect::<String>())
        .expect("a file");
}

#[test]
fn a_collection_that_was_begun_to_be_made_is_finished() {
    let Some(url) = shared() else { return };
    let mut begun = 0;
    for _ in 0..8 {
        let collections = Collections::at(url);
        let workspace = Workspace::with_documents(3).with_index(collections.index());
        let mut sync = workspace.ingest(&["sync", "docs", "--quiet"]).spawn().expect("a child");
        let started = Instant::now();
        while builds(&collections).is_empty() && started.elapsed() < Duration::from_secs(20) {}
        programs::signal(sync.id(), "KILL");
        sync.wait().expect("a child");
        begun += usize::from(!builds(&collections).is_empty());
        // Nothing may be there yet, but it can be asked.
        let (code, _, error) = workspace.run(&["status"]);
        assert!(code == 0 || error.contains("there is no index"), "{code} {error}");
        workspace.synced(&[]);
        workspace.verified();
    }
    assert!(begun > 0, "none was killed while it made one");
}

#[test]
fn a_ledger_that_was_begun_to_be_made_is_finished_in_qdrant() {
    in_qdrant(|workspace| {
        workspace.write("a.md", "# A\n\ntext\n");
        wait(async {
            let file = SqliteConnectOptions::new().filename(workspace.ledger()).create_if_missing(true);
            let mut db = SqliteConnection::connect_with(&file).await.expect("a file");
            sqlx::query("PRAGMA journal_mode = WAL").execute(&mut db).await.expect("a log");
            db.close().await.expect("a file");
        });
        workspace.synced(&[]);
        workspace.verified();
    });
}

#[test]
fn a_source_whose_removal_was_cut_short_is_removed_by_the_next_prune() {
    in_qdrant(|workspace| {
        configure(&workspace, &["a", "b"]);
        ["a", "b"].iter().for_each(|name| workspace.write(&format!("{name}/page.md"), page(1, 1)));
        assert_eq!(workspace.run(&["sync"]).0, 0);
        configure(&workspace, &["a"]);
        let index = workspace.index().display().to_string();
        let (url, name) = index.rsplit_once('/').expect("a collection");
        // Of what prune removes the head is the first.
        let of_b = Condition::matches("source", "b".to_owned());
        let head = Filter::must([of_b.clone(), Condition::matches("kind", "head".to_owned())]);
        wait(client(url).delete_points(DeletePointsBuilder::new(name).points(head).wait(true)))
            .expect("no head");
        let (code, out, error) = workspace.run(&["prune", "--sources", "--json"]);
        assert!(code == 0 && out.contains("\"b\""), "{code} {out}{error}");
        let left = CountPointsBuilder::new(name).filter(Filter::must([of_b]));
        let left = wait(client(url).count(left.exact(true))).expect("a count").result.expect("a count");
        assert_eq!(left.count, 0);
        workspace.verified();
    });
}

#[test]
fn a_source_that_was_pruned_with_another_ledger_is_not_brought_back() {
    in_qdrant(|workspace| {
        configure(&workspace, &["a", "b"]);
        ["a", "b"].iter().for_each(|name| workspace.write(&format!("{name}/page.md"), page(1, 1)));
        assert_eq!(workspace.run(&["sync"]).0, 0);
        let other = Workspace::new(&[]).with_index(workspace.index().display().to_string());
        configure(&other, &["a"]);
        assert_eq!(other.run(&["prune", "--sources"]).0, 0);
        let (code, out, error) = workspace.run(&["verify"]);
        assert!(code == 8 && out.contains("it was pruned, or is lost"), "{code} {out}{error}");
        let (code, out, error) = workspace.run(&["verify", "--repair"]);
        assert_eq!(code, 0, "{out}{error}");
        assert!(!workspace.export().contains("\"source\":\"b\""), "{}", workspace.export());
        workspace.verified();
    });
}

#[test]
fn where_no_build_is_served_none_is_pruned_from_qdrant() {
    in_qdrant(|workspace| {
        workspace.write("a.md", "# A\n\ntext\n");
        workspace.synced(&[]);
        let index = workspace.index().display().to_string();
        let (url, name) = index.rsplit_once('/').expect("a collection");
        wait(client(url).delete_alias(name)).expect("no alias");
        let (code, _, error) = workspace.run(&["prune", "--builds"]);
        assert!(code == 6 && error.contains("nothing was removed"), "{code} {error}");
        workspace.synced(&[]);
        assert_eq!(workspace.run(&["prune", "--builds"]).0, 0);
        workspace.verified();
    });
}
