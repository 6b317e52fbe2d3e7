//! The same results over a bad network.

use std::time::Duration;

use async_trait::async_trait;
use lectern_index::config::Config;
use lectern_index::open::Location;
use lectern_ingest::exit::Failure;
use lectern_ingest::portable::{Line, Sink, Writer, give};
use lectern_ingest::store::open::{Access, Place};
use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, NamedVectors, PointStruct, ScrollPointsBuilder,
    UpsertPointsBuilder,
};
use qdrant_client::{Qdrant, QdrantError};
use serde_json::json;

use super::contract::{ask, fill};
use super::server::{client, wait};
use super::{Collections, keyless, over_a_network};
use crate::ingest::workspace::{Workspace, page};
use crate::programs::Server;

#[test]
fn over_a_network_that_delays_cuts_and_reorders_a_sync_ends_in_the_same_index() {
    over_a_network(|proxy, _, workspace| {
        fill(&workspace, 60);
        proxy.delay(Duration::from_millis(5));
        proxy.reorder();
        proxy.cut(5, 20_000);
        workspace.synced(&[]);
        assert_eq!(proxy.left(), 0, "every connection that was to be cut was");
        for i in (0..60).step_by(2) {
            workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 1));
        }
        proxy.cut(5, 20_000);
        workspace.synced(&[]);
        assert_eq!(proxy.left(), 0, "every connection that was to be cut was");
        workspace.verified();
        assert_eq!(workspace.export(), workspace.fresh_export());

        // A search is answered, or says that it was not.
        let server = Server::start(&workspace.index());
        proxy.cut(10, 20_000);
        let search = || {
            let found = ask(&server, "search_docs", json!({ "query": "request", "max_results": 5 }));
            let found = (found["isError"] != true).then(|| found["structuredContent"]["results"].clone());
            found.inspect(|results| assert_eq!(results.as_array().map(Vec::len), Some(5), "{results}"))
        };
        let answered: usize = std::thread::scope(|scope| {
            let askers = [(); 4].map(|()| scope.spawn(|| (0..10).filter_map(|_| search()).count()));
            askers.into_iter().map(|asker| asker.join().expect("no answer was wrong")).sum()
        });
        assert!(answered > 0, "no search is ever answered");
    });
}

/// What is done to the points of a collection.
type Damage = fn(&Qdrant, &str, Filter) -> Result<(), QdrantError>;

/// Copies an index, and damages what is staged before it is published.
struct Damaging<'a> {
    writer: Writer<'a>,
    damage: &'a (dyn Fn() + Sync),
}

#[async_trait]
impl Sink for Damaging<'_> {
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        if matches!(line, Line::End { .. }) {
            // A thread of its own: this one is in a runtime.
            std::thread::scope(|scope| scope.spawn(|| (self.damage)()).join().expect("damage"));
        }
        self.writer.take(line).await
    }
}

fn lose(client: &Qdrant, collection: &str, which: Filter) -> Result<(), QdrantError> {
    wait(client.delete_points(DeletePointsBuilder::new(collection).points(which).wait(true))).map(drop)
}

/// One of them is there twice, as where a run that is dead wrote it.
fn double(client: &Qdrant, collection: &str, which: Filter) -> Result<(), QdrantError> {
    wait(async {
        let scroll = ScrollPointsBuilder::new(collection).filter(which).with_payload(true).limit(1);
        let found = client.scroll(scroll).await?.result;
        let again =
            found.into_iter().map(|point| PointStruct::new(1, NamedVectors::default(), point.payload));
        let again = again.collect::<Vec<_>>();
        client.upsert_points(UpsertPointsBuilder::new(collection, again).wait(true)).await.map(drop)
    })
}

/// There is one more, as where a machine that is not alone wrote it.
fn add(client: &Qdrant, collection: &str, mut which: Filter) -> Result<(), QdrantError> {
    which.must.push(Condition::matches("kind", "document".to_owned()));
    wait(async {
        let scroll = ScrollPointsBuilder::new(collection).filter(which).with_payload(true).limit(1);
        let found = client.scroll(scroll).await?.result;
        let again = found.into_iter().map(|mut point| {
            point.payload.insert("path".into(), "another.md".into());
            PointStruct::new(1, NamedVectors::default(), point.payload)
        });
        let again = again.collect::<Vec<_>>();
        client.upsert_points(UpsertPointsBuilder::new(collection, again).wait(true)).await.map(drop)
    })
}

#[test]
fn what_is_not_whole_when_it_is_published_is_not_published() {
    // The key is taken from the environment, which is that of all tests in this process.
    let Some(url) = keyless() else { return };
    let file = Workspace::with_documents(70);
    file.synced(&[]);
    let damages: [Damage; 3] = [lose, double, add];
    for damage in damages {
        let collections = Collections::at(url);
        let workspace = Workspace::with_documents(70).with_index(collections.index());
        let damage = || {
            let client = client(url);
            let all = wait(client.list_collections()).expect("collections").collections;
            let build = |name: &String| name.starts_with(&collections.name) && !name.ends_with("__lease");
            let build = all.into_iter().map(|found| found.name).find(build).expect("a build");
            // Of the first batch, which is staged by then.
            let path = Condition::matches("path", "part0/page0000.md".to_owned());
            damage(&client, &build, Filter::must([path])).expect("damage");
        };
        let ledger = format!("index.ledger={}", workspace.ledger().display());
        let sets = [format!("index.url={}", collections.index()), ledger];
        let failure = wait(async {
            let config = Config::load(None, std::iter::empty(), None, &sets).expect("settings");
            let place = Place::of(&config).expect("a place");
            let (store, _lock) = place.open(Access::Make).await.expect("an index");
            let from = Location::parse(file.index().to_str().expect("UTF-8")).expect("a file");
            let from = from.open().expect("an index");
            let mut sink = Damaging { writer: Writer::new(&store), damage: &damage };
            let given = give(&*from, &mut sink).await;
            store.close().await;
            given.expect_err("a refusal")
        });
        assert!(failure.message.contains("nothing was published"), "{}", failure.message);
        assert_eq!(workspace.run(&["export"]).0, 5, "there is no index");
        workspace.synced(&[]);
        workspace.verified();
        assert_eq!(workspace.export(), file.export());
    }
}
