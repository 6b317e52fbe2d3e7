//! Summaries that a model writes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::ingest::workspace::Workspace;
use crate::openai::{Fault, Hybrid};
use crate::programs;

const ON: [&str; 2] = ["--set", "summary.model=writer"];
const PRICES: [&str; 4] =
    ["--set", "summary.usd_per_million_input_tokens=9", "--set", "summary.usd_per_million_output_tokens=9"];

/// Three documents: one that its author has described, and two without a description.
fn hybrid(workspace: Workspace) -> Hybrid {
    for (path, text) in [
        ("described.md", "---\ndescription: By its author.\n---\n# One\n\nFirst words of the page.\n"),
        ("plain.md", "# Two\n\nShort.\n\nLonger words that the second paragraph of the page has to say.\n"),
        ("other.md", "# Three\n\nBrief.\n\nMore words that the second paragraph of that page has to say.\n"),
    ] {
        workspace.write(path, text);
    }
    Hybrid::of(workspace)
}

/// The summaries that are published, by path.
fn summaries(hybrid: &Hybrid) -> BTreeMap<String, String> {
    let documents = hybrid.documents().into_iter();
    documents.map(|document| (document.path, document.summary.unwrap_or_default())).collect()
}

#[test]
fn they_replace_extracted_ones_and_are_written_once() {
    replace_extracted_ones(Workspace::new(&[]));
}

/// In the index of this workspace.
pub(crate) fn replace_extracted_ones(workspace: Workspace) {
    let hybrid = hybrid(workspace);
    let extracted = {
        hybrid.synced(&[]);
        summaries(&hybrid)
    };
    assert_eq!((&*extracted["described.md"], &*extracted["plain.md"]), ("By its author.", "Short."));
    hybrid.openai.take_counts();
    // Said beforehand, without a key.
    let mut dry = hybrid.ingest(&[&["sync", "docs", "--dry-run", "--json"], &ON[..], &PRICES].concat());
    let (code, out, error) = programs::text(programs::run(dry.env_remove("OPENAI_API_KEY")));
    assert_eq!(code, 0, "{out}{error}");
    let dry: Value = serde_json::from_str(&out).expect("a report");
    let expected = &dry["sources"][0]["summaries"];
    assert_eq!((&expected["written"], &expected["requests"]), (&2.into(), &2.into()), "{dry}");
    assert!(expected["cost_usd"].as_f64().is_some_and(|usd| usd > 0.0), "{dry}");
    assert_eq!(hybrid.openai.take_counts().requests, 0);
    // Turned on: what is there gets them, and nothing is embedded again.
    let report = hybrid.synced(&[&ON[..], &PRICES].concat());
    let counts = hybrid.openai.take_counts();
    assert_eq!((counts.chats, counts.embeddings), (2, 0));
    assert_eq!((&report["summaries"]["written"], &report["summaries"]["requests"]), (&2.into(), &2.into()));
    assert!(report["summaries"]["cost_usd"].as_f64().is_some_and(|usd| usd > 0.0), "{report}");
    let written = summaries(&hybrid);
    assert_eq!(written["described.md"], "By its author.");
    // The miniature repeats what it read, in one line.
    assert!(
        written["plain.md"].contains("Two") && written["plain.md"].contains("Longer words"),
        "{written:?}"
    );
    hybrid.verified();
    // Nothing changed, moved, repeated: nothing is asked.
    assert!(hybrid.synced(&ON)["summaries"].is_null());
    hybrid
        .workspace
        .write("copy.md", std::fs::read(hybrid.workspace.docs().join("plain.md")).expect("a file"));
    std::fs::rename(hybrid.workspace.docs().join("other.md"), hybrid.workspace.docs().join("moved.md"))
        .expect("a file");
    hybrid.synced(&ON);
    assert_eq!(hybrid.openai.take_counts().chats, 0);
    let now = summaries(&hybrid);
    assert_eq!((&now["copy.md"], &now["moved.md"]), (&written["plain.md"], &written["other.md"]));
    // Turned off: the extracted ones are back.
    hybrid.synced(&[]);
    assert_eq!(summaries(&hybrid)["plain.md"], "Short.");
    hybrid.synced(&ON);
    assert_eq!(hybrid.openai.take_counts().chats, 0, "kept for when they are wanted again");
    assert_eq!(summaries(&hybrid), now);
}

#[test]
fn no_fault_of_the_service_keeps_a_document_back() {
    let hybrid = hybrid(Workspace::new(&[]));
    hybrid.synced(&[]);
    hybrid.openai.plan(100, Fault::Status(500));
    let report = hybrid.synced(&ON);
    let notes = report["notes"].to_string();
    assert!(notes.contains("2 documents keep their extracted summary"), "{report}");
    assert_eq!(summaries(&hybrid)["plain.md"], "Short.");
    hybrid.verified();
    let documents = &hybrid.synced(&ON)["documents"];
    assert_eq!((&documents["changed"], &documents["unchanged"]), (&2.into(), &1.into()), "only those again");
    hybrid.openai.recover();
    assert_eq!(hybrid.synced(&ON)["summaries"]["written"], 2, "the next sync asks again");
    hybrid.verified();
    assert_eq!(hybrid.synced(&ON)["documents"]["unchanged"], 3);
    assert_ne!(summaries(&hybrid)["plain.md"], "Short.");
}

#[test]
fn they_count_against_the_cap() {
    let hybrid = hybrid(Workspace::new(&[]));
    hybrid.synced(&[]);
    let before = (hybrid.export(), summaries(&hybrid));
    let cap = ["--set", "embedding.max_cost_usd=0.0001"];
    let (code, report) = hybrid.sync(&[&ON[..], &cap].concat());
    assert_eq!(code, 2, "no price, no cap: {report}");
    let (code, report): (i32, Value) = hybrid.sync(&[&ON[..], &cap, &PRICES].concat());
    assert_eq!(code, 6, "{report}");
    assert_eq!((hybrid.export(), summaries(&hybrid)), before);
    let alone = ["--set", "summary.usd_per_million_input_tokens=9"];
    assert_eq!(hybrid.run(&[&["sync", "docs"], &ON[..], &alone].concat()).0, 2, "one price is none");
}

#[test]
fn what_is_paid_for_when_the_cap_is_reached_is_kept() {
    let hybrid = Hybrid::with_documents(20);
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    // Slow enough that several are under way when the cap ends the run.
    hybrid.openai.latency(Duration::from_millis(300));
    let cap = ["--set", "embedding.max_cost_usd=0.012"];
    let (code, report) = hybrid.sync(&[&ON[..], &cap, &PRICES].concat());
    assert_eq!(code, 6, "{report}");
    let counts = hybrid.openai.take_counts();
    assert!(counts.chats > 1 && counts.abandoned == 0, "{counts:?}");
    let kept: Vec<i64> = hybrid.query("SELECT count(*) FROM summaries");
    assert_eq!(kept, [counts.chats as i64]);
    hybrid.openai.recover();
    hybrid.synced(&ON);
    assert_eq!(hybrid.openai.take_counts().chats, 20 - counts.chats);
}
