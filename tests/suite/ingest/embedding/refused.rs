//! What the service refuses: one text, a key, an account, everything.

use serde_json::Value;

use crate::ingest::workspace::page;
use crate::openai::miniature::KEY;
use crate::openai::{Fault, Hybrid};

fn error(report: &Value) -> &str {
    report["sources"][0]["error"].as_str().unwrap_or_else(|| panic!("no error: {report}"))
}

#[test]
fn a_refused_text_fails_one_document() {
    let hybrid = Hybrid::with_documents(60);
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    let bad = "part3/page0031.md";
    for i in [1, 8, 15, 31] {
        hybrid.workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 1));
    }
    hybrid.workspace.write(bad, format!("{}\n\nThis is FORBIDDEN.\n", page(31, 1)));
    hybrid.openai.refuse("FORBIDDEN");
    let (code, report) = hybrid.sync(&[]);
    assert_eq!(code, 3, "{report}");
    let failures = report["sources"][0]["failures"].as_array().expect("failures").clone();
    assert_eq!(failures.len(), 1, "{report}");
    assert_eq!(failures[0]["path"], bad);
    assert!(failures[0]["reason"].as_str().is_some_and(|it| it.contains("$.input")), "{report}");
    assert_eq!(hybrid.openai.take_counts().twice(), [] as [&str; 0]);
    let export = hybrid.export();
    assert_eq!(export.matches("answers in version1").count(), 9, "three documents of three sections");
    assert!(!export.contains("FORBIDDEN") && export.contains("version0 of page31 begins"), "the old version");
    hybrid.vectors_are_right();
    hybrid.verified();
    // Again it is only that text which is asked for, and when it is accepted all is well.
    assert_eq!(hybrid.sync(&[]).0, 3);
    assert_eq!(hybrid.openai.take_counts().answered.len(), 0);
    hybrid.openai.recover();
    hybrid.synced(&[]);
    assert!(hybrid.export().contains("FORBIDDEN"));
    hybrid.vectors_are_right();
}

/// Syncs under a fault, expects `code`, an error with these words, and nothing published. Returns
/// the number of requests.
fn fails(hybrid: &Hybrid, arguments: &[&str], code: i32, words: &[&str]) -> usize {
    let (ended, report) = hybrid.sync(arguments);
    assert_eq!(ended, code, "{report}");
    for word in words {
        assert!(error(&report).contains(word), "{word:?} is not in {:?}", error(&report));
    }
    assert_eq!(report["sources"][0]["generation"], 0);
    hybrid.openai.take_counts().requests
}

#[test]
fn a_wrong_key_exits_4_and_is_never_repeated() {
    let hybrid = Hybrid::with_documents(5);
    let wrong = "sk-TESTSECRETwrong0123456789";
    let mut command = hybrid.ingest(&["sync", "docs", "--json"]);
    command.env("OPENAI_API_KEY", wrong).env("RUST_LOG", "trace");
    let (code, out, err) = crate::programs::text(crate::programs::run(&mut command));
    let report: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(code, 4, "{report}");
    assert!(error(&report).contains("OPENAI_API_KEY"), "{report}");
    assert_eq!(hybrid.openai.take_counts().requests, 1, "a wrong key is not tried again");
    // The right one leaves no trace either, with a log that says everything.
    let mut command = hybrid.ingest(&["sync", "docs", "--json"]);
    command.env("RUST_LOG", "trace");
    let (code, out_too, err_too) = crate::programs::text(crate::programs::run(&mut command));
    assert_eq!(code, 0, "{err_too}");
    let mut written = vec![out, err, out_too, err_too];
    for entry in std::fs::read_dir(hybrid.workspace.root()).expect("a folder").flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            written.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    for text in written {
        assert!(!text.contains(wrong) && !text.contains(KEY), "a secret got out");
    }
}

#[test]
fn what_no_waiting_helps_against_is_not_tried_again() {
    let hybrid = Hybrid::with_documents(5);
    hybrid.openai.plan(1, Fault::Quota);
    assert_eq!(fails(&hybrid, &[], 4, &["credit"]), 1);
    let model = ["--set", "embedding.model=gone", "--set", "embedding.dimensions=8"];
    assert_eq!(fails(&hybrid, &model, 4, &["`gone`", "embedding.model"]), 1);
    hybrid.openai.refuse("");
    assert!(fails(&hybrid, &[], 4, &["refused every text"]) < 20);
    hybrid.openai.recover();
    hybrid.synced(&[]);
    hybrid.vectors_are_right();
}

#[test]
fn a_service_that_is_down_is_given_up_at_the_deadline() {
    let hybrid = Hybrid::with_documents(5);
    let deadline = ["--set", "embedding.deadline_seconds=1"];
    hybrid.openai.plan(1000, Fault::Html(503));
    assert!(fails(&hybrid, &deadline, 4, &["embedding.deadline_seconds", "503"]) > 1);
    hybrid.openai.recover();
    let nobody =
        ["--set", "embedding.base_url=http://127.0.0.1:9/v1", "--set", "embedding.deadline_seconds=1"];
    assert_eq!(fails(&hybrid, &nobody, 4, &["127.0.0.1:9", "onnection refused"]), 0);
    hybrid.synced(&[]);
    hybrid.vectors_are_right();
}
