//! `verify` and `verify --repair` in Qdrant.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, SetPayloadPointsBuilder, UpsertPointsBuilder, Value as Payload,
};
use serde_json::Value;

use super::contract::fill;
use super::server::{client, wait};
use super::{Collections, shared};
use crate::ingest::workspace::Workspace;
use crate::openai::hybrid::Hybrid;

fn differences(hybrid: &Hybrid) -> Vec<Value> {
    let (code, out, error) = hybrid.run(&["verify", "--json"]);
    let findings: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    let found = findings["differences"].as_array().expect("a list").clone();
    assert_eq!(code, if found.is_empty() { 0 } else { 8 });
    found
}

/// What is done behind the programs' backs.
type Damage<'a> = Box<dyn Fn() + 'a>;

/// Points of this kind in the document that is damaged.
fn of(kind: &str) -> Filter {
    let path = Condition::matches("path", "part1/page0001.md".to_owned());
    Filter::must([Condition::matches("kind", kind.to_owned()), path])
}

#[test]
fn every_kind_of_damage_in_qdrant_is_found_and_mended() {
    let Some(url) = shared() else { return };
    let collections = Collections::at(url);
    let workspace = Workspace::new(&[]).with_index(collections.index());
    fill(&workspace, 8);
    workspace.write(
        "long.md",
        format!("# Long\n\n{}", "Words of a paragraph that is one of many.\n\n".repeat(200)),
    );
    let hybrid = Hybrid::of(workspace);
    hybrid.synced(&[]);
    let whole = hybrid.export();
    let name = collections.name.as_str();
    let set = |kind: &str, field: &str, value: Payload| {
        let payload = HashMap::from([(field.to_owned(), value)]);
        let which = if kind == "head" {
            Filter::must([Condition::matches("kind", "head".to_owned())])
        } else {
            of(kind)
        };
        let set = SetPayloadPointsBuilder::new(name, payload).points_selector(which).wait(true);
        wait(client(url).set_payload(set)).expect("damage");
    };
    let gone = |which: Filter| {
        let gone = DeletePointsBuilder::new(name).points(which).wait(true);
        wait(client(url).delete_points(gone)).expect("damage");
    };
    let cases: [(&str, Damage); 9] = [
        ("head", Box::new(|| gone(Filter::must([Condition::matches("kind", "head".to_owned())])))),
        (
            "document",
            Box::new(|| {
                let mut long = of("chunk");
                long.must[1] = Condition::matches("path", "long.md".to_owned());
                let some = qdrant_client::qdrant::ScrollPointsBuilder::new(name).filter(long);
                let found = wait(client(url).scroll(some.limit(2))).expect("points").result;
                assert_eq!(found.len(), 2, "one of several is lost");
                gone(Filter::must([Condition::has_id(
                    found.into_iter().take(1).filter_map(|point| point.id),
                )]));
            }),
        ),
        ("document", Box::new(|| set("chunk", "text", "other words".into()))),
        ("document", Box::new(|| set("document", "tokens", 1.into()))),
        ("orphan", Box::new(|| set("chunk", "from", 99.into()))),
        ("head", Box::new(|| set("head", "documents", 1000.into()))),
        ("ledger", Box::new(|| gone(of("document")))),
        ("document", Box::new(|| gone(of("chunk")))),
        (
            "vector",
            Box::new(|| {
                wait(async {
                    let client = client(url);
                    let found = client
                        .scroll(
                            qdrant_client::qdrant::ScrollPointsBuilder::new(name)
                                .filter(of("chunk"))
                                .with_payload(true),
                        )
                        .await
                        .expect("points");
                    let without = found.result.into_iter().map(|point| {
                        let none = qdrant_client::qdrant::NamedVectors::default();
                        qdrant_client::qdrant::PointStruct::new(point.id.expect("an id"), none, point.payload)
                    });
                    let upsert = UpsertPointsBuilder::new(name, without.collect::<Vec<_>>()).wait(true);
                    client.upsert_points(upsert).await.expect("damage");
                });
            }),
        ),
    ];
    for (number, (kind, damage)) in cases.iter().enumerate() {
        damage();
        let found = differences(&hybrid);
        assert!(found.iter().any(|difference| difference["kind"] == *kind), "{number}, {kind}: {found:#?}");
        hybrid.openai.take_counts();
        let (code, out, error) = hybrid.run(&["verify", "--repair"]);
        assert_eq!(code, 0, "{number}, {kind}: {out}{error}");
        assert_eq!(differences(&hybrid), [] as [Value; 0], "{number}, {kind}");
        assert_eq!(hybrid.export(), whole, "{number}, {kind}");
        assert_eq!(hybrid.openai.counts().requests, 0, "{number}, {kind}: the ledger has the vectors");
    }
}
