//! Vectors that are missing or damaged are found, and mended with the fewest calls.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ingest::workspace::page;
use crate::openai::Hybrid;

/// What `verify` says of vectors.
fn findings(hybrid: &Hybrid) -> Vec<String> {
    let (code, out, error) = hybrid.run(&["verify", "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    let all = found["differences"].as_array().expect("a list");
    assert_eq!(code, if all.is_empty() { 0 } else { 8 });
    assert!(all.iter().all(|it| it["kind"] == "vector"), "{found}");
    all.iter().map(|it| it["detail"].as_str().expect("a detail").to_owned()).collect()
}

#[test]
fn damaged_vectors_are_found_and_only_they_are_made_again() {
    let hybrid = Hybrid::with_documents(10);
    hybrid.synced(&["--set", "chunk.max_tokens=80"]);
    let whole = hybrid.export();
    let run = |arguments: &[&str]| hybrid.run(&[arguments, &["--set", "chunk.max_tokens=80"]].concat());
    hybrid.openai.take_counts();
    let one = "WHERE vector_id = (SELECT min(vector_id) FROM vectors)";
    for (sql, says, texts) in [
        ("DELETE FROM vectors WHERE vector_id % 10 = 3", "has no vector", 0),
        ("UPDATE vectors SET vector = zeroblob(256) ONE", "length 0.0000", 1),
        ("UPDATE vectors SET vector = substr(vector, 1, 252) ONE", "252 bytes", 1),
        ("UPDATE vectors SET vector = CAST(x'0000c07f' || substr(vector, 5) AS BLOB) ONE", "not finite", 1),
        ("UPDATE vectors SET vector = CAST(x'00000040' || substr(vector, 5) AS BLOB) ONE", "not 1", 1),
    ] {
        let _: Vec<i64> = hybrid.query(Box::leak(sql.replace("ONE", one).into_boxed_str()));
        let found = findings(&hybrid);
        assert!(!found.is_empty() && found.iter().all(|it| it.contains(says)), "{sql}: {found:?}");
        let (code, out, error) = run(&["verify", "--repair"]);
        assert_eq!(code, 0, "{sql}: {out}{error}");
        assert_eq!(findings(&hybrid), [] as [String; 0], "{sql}");
        assert_eq!(hybrid.export(), whole, "{sql}");
        let counts = hybrid.openai.take_counts();
        assert_eq!(counts.inputs, if texts == 0 { found.len() as u64 } else { texts }, "{sql}");
        assert_eq!(counts.requests, 1, "{sql}");
    }
}

#[test]
fn other_damage_costs_no_embedding() {
    let hybrid = Hybrid::with_documents(10);
    hybrid.synced(&[]);
    let whole = hybrid.export();
    hybrid.openai.take_counts();
    for sql in [
        "DELETE FROM ledger_documents",
        "DELETE FROM ledger_sources",
        "DELETE FROM fts_1",
        "UPDATE chunks SET text = text || 'x' WHERE chunk = (SELECT min(chunk) FROM chunks)",
    ] {
        let _: Vec<i64> = hybrid.query(sql);
        let repair: &[&str] =
            if sql.contains("ledger") { &["rebuild-ledger"] } else { &["verify", "--repair"] };
        let (code, out, error) = hybrid.run(repair);
        assert_eq!(code, 0, "{sql}: {out}{error}");
        hybrid.synced(&[]);
        assert_eq!(hybrid.openai.take_counts().requests, 0, "{sql}");
        assert_eq!(hybrid.export(), whole, "{sql}");
    }
    hybrid.verified();
}

#[test]
fn a_pruned_cache_holds_what_is_used() {
    let hybrid = Hybrid::with_documents(10);
    hybrid.synced(&[]);
    hybrid.workspace.write("part0/page0000.md", page(0, 1));
    hybrid.workspace.remove("part1/page0001.md");
    hybrid.synced(&[]);
    let before = hybrid.export();
    let texts: BTreeSet<String> = hybrid.texts().into_values().collect();
    assert!(hybrid.cached().len() > texts.len());
    let (code, out, error) = hybrid.run(&["prune", "--cache"]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(hybrid.cached().len(), texts.len());
    assert_eq!(hybrid.export(), before);
    hybrid.openai.take_counts();
    hybrid.synced(&[]);
    assert_eq!(hybrid.openai.take_counts().requests, 0);
    hybrid.workspace.write("part0/page0000.md", page(0, 0));
    hybrid.synced(&[]);
    assert!(hybrid.openai.take_counts().inputs > 0, "what was pruned is made again");
    hybrid.vectors_are_right();
    hybrid.verified();
}
