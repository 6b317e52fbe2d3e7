//! A service that misbehaves costs time, nothing else.

use std::time::{Duration, Instant};

use crate::ingest::workspace::Workspace;
use crate::openai::{Fault, Hybrid, RateLimit};

const CUT: [Fault; 3] = [Fault::CutBeforeHeaders, Fault::CutAfterHeaders, Fault::CutInBody];

/// Chunks of the large corpus, each a section of about a hundred tokens: 2,000, or what
/// `LECTERN_TEST_CHUNKS` says.
fn chunks() -> usize {
    std::env::var("LECTERN_TEST_CHUNKS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// Sections of a document.
const SECTIONS: usize = 5;

fn corpus(chunks: usize) -> Workspace {
    let workspace = Workspace::new(&[]);
    let words = ["storage", "index", "reader", "request", "limit", "vector", "table", "release", "network"];
    for i in 0..chunks / SECTIONS {
        let mut text = format!("# Page {i}\n\n");
        for section in 0..SECTIONS {
            text.push_str(&format!("## Part {section}\n\n"));
            for n in 0..40 {
                let (one, other) = (words[(i + n * 7) % 9], words[(i / 9 + n * section) % 9]);
                text.push_str(&format!("{one} {other}{}", if n % 10 == 9 { ".\n" } else { " " }));
            }
            text.push_str(&format!("number {i} of {section}.\n\n"));
        }
        workspace.write(&format!("{}/{i}.md", i % 20), text);
    }
    workspace
}

#[test]
fn a_third_of_all_answers_going_wrong_costs_time_only() {
    let hybrid = Hybrid::of(corpus(chunks()));
    let limit = RateLimit {
        requests_per_minute: 3_000.0,
        tokens_per_minute: 1_200_000.0,
        burst: Duration::from_secs(2),
    };
    hybrid.openai.limit(limit);
    hybrid.openai.latency(Duration::from_millis(200));
    let mut faults = vec![
        Fault::Busy(Duration::from_millis(300)),
        Fault::Status(500),
        Fault::Silent(Duration::from_secs(1)),
        Fault::Html(503),
    ];
    faults.extend(CUT);
    hybrid.openai.misbehave(11, 0.3, &faults);
    let started = Instant::now();
    let report = hybrid.synced(&["--set", "chunk.max_tokens=128"]);
    let took = started.elapsed().as_secs_f64();
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.twice(), [] as [&str; 0]);
    assert_eq!(counts.abandoned, 0);
    assert!(!counts.faults.is_empty());
    assert_eq!(report["embedding"]["requests"].as_u64(), Some(counts.requests as u64));
    let per_second = limit.tokens_per_minute / 60.0;
    let least = (counts.answered_tokens as f64 - per_second * limit.burst.as_secs_f64()) / per_second;
    eprintln!(
        "{} chunks: {took:.1} s, {:.2} times the {least:.1} s that the rate limit allows; {} requests, {} faults, {} over the limit, {} in flight at most",
        report["chunks"]["total"],
        took / least,
        counts.requests,
        counts.faults.len(),
        counts.over_limit,
        counts.most_in_flight,
    );
    hybrid.openai.recover();
    hybrid.vectors_are_right();
    hybrid.verified();
}

#[test]
fn bad_items_cost_only_themselves() {
    for fault in [
        Fault::Shuffled,
        Fault::Missing,
        Fault::DuplicateIndex,
        Fault::Short,
        Fault::Zeros,
        Fault::NotANumber,
        Fault::Huge,
    ] {
        let hybrid = Hybrid::with_documents(8);
        hybrid.openai.plan(2, fault.clone());
        let report = hybrid.synced(&[]);
        let counts = hybrid.openai.take_counts();
        assert_eq!(counts.twice(), [] as [&str; 0], "{fault:?}");
        assert_eq!(counts.requests, if fault == Fault::Shuffled { 1 } else { 3 }, "{fault:?}");
        assert_eq!(report["embedding"]["inputs"], counts.inputs, "{fault:?}");
        hybrid.vectors_are_right();
    }
}

#[test]
fn answers_that_are_none_are_asked_for_again() {
    let faults = [
        Fault::Busy(Duration::from_millis(20)),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Html(503),
        Fault::Html(429),
        Fault::CutBeforeHeaders,
        Fault::CutAfterHeaders,
        Fault::CutInBody,
    ];
    let hybrid = Hybrid::with_documents(8);
    let mut version = 0;
    for fault in faults {
        version += 1;
        hybrid.workspace.write("part0/page0000.md", crate::ingest::workspace::page(0, version));
        hybrid.openai.plan(2, fault.clone());
        hybrid.synced(&[]);
        let counts = hybrid.openai.take_counts();
        assert_eq!((counts.requests, counts.twice().len()), (3, 0), "{fault:?}");
    }
    hybrid.vectors_are_right();
}

#[test]
fn an_answer_that_never_comes_is_not_waited_for() {
    let hybrid = Hybrid::with_documents(8);
    hybrid.openai.plan(1, Fault::Silent(Duration::MAX));
    hybrid.synced(&["--set", "embedding.timeout_seconds=1"]);
    assert_eq!(hybrid.openai.take_counts().requests, 2);
    hybrid.vectors_are_right();
}
