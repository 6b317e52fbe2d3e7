//! However a run ends, what was embedded is kept, and paid for once.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use lectern_index::chunk::Hash;

use crate::openai::Hybrid;

/// A share of what a whole run costs, as an argument.
fn cap(tokens: u64, share: f64) -> String {
    format!("embedding.max_cost_usd={}", tokens as f64 * share * 0.02e-6)
}

#[test]
fn a_cost_cap_exits_6_and_the_next_run_goes_on() {
    let hybrid = Hybrid::with_documents(700);
    let whole = hybrid.synced(&["--dry-run"])["embedding"]["tokens"].as_u64().expect("tokens");
    let inputs = hybrid.synced(&["--dry-run"])["embedding"]["inputs"].as_u64().expect("inputs");
    let cap = cap(whole, 0.4);
    let capped = ["--set", cap.as_str()];
    hybrid.openai.latency(Duration::from_millis(50));
    let mut runs = 0;
    let mut cached = 0;
    loop {
        runs += 1;
        let (code, report) = hybrid.sync(&capped);
        if code == 0 {
            break;
        }
        assert_eq!(code, 6, "{report}");
        let source = &report["sources"][0];
        assert_eq!(source["generation"], 0, "nothing is published");
        let error = source["error"].as_str().expect("an error");
        assert!(
            error.contains("embedding.max_cost_usd") && error.contains("goes on") | error.contains("go on")
        );
        assert!(source["embedding"]["tokens"].as_f64().expect("tokens") <= whole as f64 * 0.4);
        let now = hybrid.cached().len();
        assert!(now > cached, "each run gets further");
        cached = now;
    }
    assert_eq!(runs, 3, "two fifths, two fifths, one fifth");
    let counts = hybrid.openai.take_counts();
    assert_eq!((counts.answered.len() as u64, counts.inputs), (inputs, inputs));
    assert_eq!((counts.twice().len(), counts.abandoned), (0, 0));
    hybrid.vectors_are_right();
    hybrid.verified();
}

#[test]
fn a_killed_run_does_not_pay_again_for_what_was_stored() {
    let hybrid = Hybrid::with_documents(700);
    hybrid.openai.latency(Duration::from_millis(100));
    let mut command = hybrid.ingest(&["sync", "docs"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child");
    // As far as three requests, or where that is too early or too late, what there is then.
    while hybrid.openai.counts().answered_requests < 4 && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let stored: BTreeSet<Hash> = hybrid.cached().into_iter().collect();
    assert!(hybrid.run(&["export"]).1.is_empty(), "nothing is published");
    hybrid.openai.take_counts();
    hybrid.openai.recover();
    hybrid.synced(&[]);
    let counts = hybrid.openai.take_counts();
    eprintln!("{} vectors stored before the kill, {} made after it", stored.len(), counts.inputs);
    assert!(!stored.is_empty() && counts.inputs > 0);
    assert!(counts.answered.keys().all(|text| !stored.contains(&Hash::of(text.as_bytes()))));
    assert_eq!(stored.len() + counts.answered.len(), hybrid.cached().len());
    hybrid.vectors_are_right();
    hybrid.verified();
}

#[test]
fn a_run_that_fails_lets_requests_under_way_finish() {
    let hybrid = Hybrid::with_documents(700);
    // One request is refused for good while others are answered.
    hybrid.openai.latency(Duration::from_millis(200));
    hybrid.openai.plan(1, crate::openai::Fault::Status(500));
    hybrid.openai.plan(1, crate::openai::Fault::Quota);
    assert_eq!(hybrid.sync(&[]).0, 4);
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.abandoned, 0);
    assert_eq!(counts.answered.len(), hybrid.cached().len(), "what was answered is kept");
    hybrid.openai.recover();
    hybrid.synced(&[]);
    let again = hybrid.openai.take_counts();
    assert!(again.answered.keys().all(|text| !counts.answered.contains_key(text)));
}
