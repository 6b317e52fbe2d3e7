//! No text is embedded twice, and the report says what was asked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ingest::workspace::{Workspace, page};
use crate::openai::Hybrid;

/// Adds up a number of all sources' `embedding`.
fn sum(report: &Value, key: &str) -> f64 {
    let sources = report["sources"].as_array().expect("sources");
    sources.iter().map(|source| source["embedding"][key].as_f64().expect(key)).sum()
}

fn distinct(hybrid: &Hybrid) -> usize {
    hybrid.texts().into_values().collect::<BTreeSet<_>>().len()
}

#[test]
fn every_distinct_text_is_embedded_once_and_the_report_says_so() {
    let hybrid = Hybrid::with_documents(40);
    let copy = hybrid.workspace.root().join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    for i in 0..20 {
        std::fs::write(copy.join(format!("{i}.md")), page(i, 0)).expect("a file");
    }
    // Blank documents have nothing to embed; equal ones are one text.
    for path in ["blank.md", "same.md", "same-too.md"] {
        hybrid.workspace.write(path, if path == "blank.md" { "\n\n" } else { "# Same\n\nEqual.\n" });
    }
    let (code, report) = hybrid.sync(&["docs", "copy"]);
    assert_eq!(code, 0, "{report}");
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.twice(), [] as [&str; 0]);
    let texts: BTreeSet<String> =
        hybrid.texts().into_values().filter(|text| !text.trim().is_empty()).collect();
    assert_eq!(counts.answered.keys().cloned().collect::<BTreeSet<_>>(), texts);
    assert_eq!(sum(&report, "requests"), counts.embeddings as f64);
    assert_eq!(sum(&report, "inputs"), counts.inputs as f64);
    assert_eq!(sum(&report, "tokens"), counts.tokens as f64);
    assert!((sum(&report, "cost_usd") - counts.tokens as f64 * 0.02e-6).abs() < 1e-12, "{report}");
    hybrid.vectors_are_right();
    hybrid.verified();
}

#[test]
fn what_was_seen_before_is_not_embedded_again() {
    let hybrid = Hybrid::with_documents(12);
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    let free = |what: &str, arguments: &[&str]| {
        let report = hybrid.synced(arguments);
        assert_eq!(hybrid.openai.take_counts().requests, 0, "{what}");
        assert_eq!(report["embedding"]["requests"], 0, "{what}");
        hybrid.vectors_are_right();
        report
    };
    free("nothing changed", &[]);
    let docs = hybrid.workspace.docs();
    std::fs::rename(docs.join("part0"), docs.join("moved")).expect("a rename");
    assert_eq!(free("a rename", &[])["documents"]["renamed"], 2);
    hybrid.workspace.write("moved/page0000.md", page(0, 1));
    assert!(hybrid.synced(&[])["embedding"]["inputs"].as_u64() > Some(0), "a new text");
    hybrid.openai.take_counts();
    hybrid.workspace.write("moved/page0000.md", page(0, 0));
    let reverted = free("a revert", &[]);
    assert!(reverted["embedding"]["reused"].as_u64() > Some(0), "{reverted}");
    hybrid.workspace.write("again.md", page(3, 0));
    free("a copy", &[]);
    hybrid.workspace.remove("part3/page0003.md");
    free("a document that goes", &[]);
    // Text that moves between documents under the same headings.
    hybrid.workspace.write("part5/page0005.md", format!("{}Some lines that follow.\n", page(6, 0)));
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    hybrid.workspace.write("part6/page0006.md", format!("{}Some lines that follow.\n", page(6, 0)));
    free("text that moves", &[]);
    let copy = hybrid.workspace.root().join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    for i in [1, 2, 4] {
        std::fs::write(copy.join(format!("{i}.md")), page(i, 0)).expect("a file");
    }
    free("a second source", &["copy"]);
}

#[test]
fn a_hundredth_that_changes_costs_a_hundredth() {
    let hybrid = Hybrid::with_documents(300);
    let chunks =
        hybrid.synced(&["--set", "chunk.max_tokens=80"])["chunks"]["total"].as_u64().expect("chunks");
    let all = hybrid.openai.take_counts();
    for i in [0, 100, 200] {
        let changed = page(i, 0).replace("answers in version0", "replies in version0");
        hybrid.workspace.write(&format!("part{}/page{i:04}.md", i % 7), changed);
    }
    let report = hybrid.synced(&["--set", "chunk.max_tokens=80"]);
    let some = hybrid.openai.take_counts();
    eprintln!("of {chunks} chunks, {} texts: {} changed", all.inputs, some.inputs);
    assert!(chunks > 900 && some.inputs > 0, "{chunks} chunks");
    assert!(some.inputs * 100 <= all.inputs * 11 / 10, "{} of {} texts", some.inputs, all.inputs);
    assert!(some.tokens * 100 <= all.tokens * 11 / 10, "{} of {} tokens", some.tokens, all.tokens);
    assert_eq!(report["embedding"]["inputs"], some.inputs);
    assert!(some.requests <= 1);
}

#[test]
fn a_dry_run_tells_the_cost_and_asks_nothing() {
    let hybrid = Hybrid::of(Workspace::with_documents(30));
    let told = hybrid.synced(&["--dry-run"])["embedding"].clone();
    assert_eq!(hybrid.openai.counts().requests, 0);
    let used = hybrid.synced(&[])["embedding"].clone();
    assert_eq!(told, used);
    assert_eq!(used["inputs"], distinct(&hybrid));
}
