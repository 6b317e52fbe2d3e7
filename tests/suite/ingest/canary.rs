//! A new build that answers fewer canary questions is not switched to.

use serde_json::{Value, json};

use super::workspace::Workspace;
use crate::openai::Hybrid;
use crate::openai::miniature::KEY;

/// Other chunk settings: another build.
const OTHER: [&str; 2] = ["--set", "chunk.max_tokens=100"];
const CANARY: [&str; 2] = ["--set", "sync.canary=canary.jsonl"];

fn with<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// Fills a workspace with documents about one animal each, and a question for each.
fn zoo(workspace: Workspace) -> Workspace {
    let animals = ["aardvark", "badger", "capybara", "dingo", "echidna", "ferret", "gecko", "heron"];
    let mut set = String::new();
    for animal in animals {
        workspace.write(&format!("{animal}.md"), format!("# The {animal}\n\nWhat the {animal} eats.\n"));
        let question = json!({"qid": animal, "query": format!("what does the {animal} eat"),
            "relevant": [{"path": format!("{animal}.md"), "grade": 2}]});
        set.push_str(&format!("{question}\n"));
    }
    std::fs::write(workspace.root().join("canary.jsonl"), set).expect("a file");
    workspace
}

/// The fingerprint that is served.
fn served(workspace: &Workspace) -> String {
    let (_, out, error) = workspace.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    let builds = status["builds"].as_array().expect("builds");
    let serving: Vec<&Value> = builds.iter().filter(|build| build["state"] == "serving").collect();
    assert_eq!(serving.len(), 1, "{status}");
    serving[0]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

#[test]
fn a_build_that_lost_answers_waits_until_it_has_them() {
    lost_answers_are_waited_for(Workspace::new(&[]));
}

/// In the index of this workspace.
pub(crate) fn lost_answers_are_waited_for(workspace: Workspace) {
    let workspace = zoo(workspace);
    // The first build has nothing to be compared with.
    assert!(workspace.synced(&CANARY)["canary"].is_null());
    let old = served(&workspace);
    workspace.write("gecko.md", "# Nothing\n\nTo see here.\n");
    let (code, report) = workspace.sync(&with(&[&OTHER, &CANARY]));
    assert_eq!(code, 6, "{report}");
    let source = &report["sources"][0];
    assert_eq!(source["canary"], json!({"questions": 8, "served": 8, "new": 7, "switched": false}));
    let error = source["error"].as_str().expect("an error");
    assert!(error.contains("what does the gecko eat") && error.contains("canary_max_loss"), "{error}");
    assert_eq!(served(&workspace), old);
    let (_, status, _) = workspace.run(&["status"]);
    assert!(status.contains("is filling: 1 sources, 8 documents"), "{status}");
    assert!(status.contains("stays at the state below"), "{status}");
    // It is not forgotten, whether something changes or not, and allowed where that is said.
    assert_eq!(workspace.sync(&with(&[&OTHER, &CANARY])).0, 6);
    let allowed = workspace.synced(&with(&[&OTHER, &CANARY, &["--set", "sync.canary_max_loss=0.2"]]));
    assert_eq!(allowed["canary"]["switched"], true);
    assert_ne!(served(&workspace), old);
    assert!(workspace.synced(&with(&[&OTHER, &CANARY]))["canary"].is_null(), "nothing to judge any more");
    // A set that cannot be read stops the sync before it does anything.
    let before = workspace.export();
    workspace.remove("heron.md");
    for (set, says) in [("{}\n", "canary.jsonl:1"), ("", "no questions"), ("not JSON", "canary.jsonl:1")] {
        std::fs::write(workspace.root().join("canary.jsonl"), set).expect("a file");
        let (code, report) = workspace.sync(&with(&[&OTHER, &CANARY]));
        assert_eq!(code, 2, "{report}");
        let error = report["sources"][0]["error"].as_str().expect("an error");
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(workspace.export(), before);
}

#[test]
fn a_build_of_another_model_is_compared_by_meaning_too() {
    models_are_compared(Workspace::new(&[]));
}

/// In the index of this workspace.
pub(crate) fn models_are_compared(workspace: Workspace) {
    let hybrid = Hybrid::of(zoo(workspace));
    hybrid.synced(&CANARY);
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.answered["what does the gecko eat"], 1, "asked for when it could be");
    hybrid.synced(&CANARY);
    assert_eq!(hybrid.openai.take_counts().requests, 0, "and never again");
    let report = hybrid.synced(&with(&[&["--set", "embedding.dimensions=96"], &CANARY]));
    assert_eq!(report["canary"], json!({"questions": 8, "served": 8, "new": 8, "switched": true}));
    let counts = hybrid.openai.take_counts();
    assert_eq!(counts.answered["what does the gecko eat"], 1, "under the new model");
    hybrid.verified();
}

#[test]
fn a_build_without_vectors_is_compared_with_what_vectors_find() {
    words_are_compared_with_vectors(Workspace::new(&[]));
}

/// In the index of this workspace.
pub(crate) fn words_are_compared_with_vectors(workspace: Workspace) {
    let hybrid = Hybrid::of(zoo(workspace));
    let set = hybrid.workspace.root().join("canary.jsonl");
    // No document has this word, but one has most of its letters.
    let misspelt = json!({"query": "aardvrak", "relevant": [{"path": "aardvark.md"}]});
    let lines = std::fs::read_to_string(&set).expect("the set");
    std::fs::write(&set, format!("{lines}{misspelt}\n")).expect("a file");
    hybrid.synced(&CANARY);
    let old = served(&hybrid.workspace);
    let (code, report) = hybrid.workspace.sync(&CANARY);
    assert_eq!(code, 6, "{report}");
    assert_eq!(
        report["sources"][0]["canary"],
        json!({"questions": 9, "served": 9, "new": 8, "switched": false})
    );
    assert_eq!(served(&hybrid.workspace), old);
}

#[test]
fn with_nothing_to_judge_questions_that_cannot_be_embedded_are_only_noted() {
    let hybrid = Hybrid::of(zoo(Workspace::new(&[])));
    hybrid.synced(&[]);
    hybrid.openai.take_counts();
    hybrid.openai.expect_key("another");
    let report = hybrid.synced(&CANARY);
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("canary set")), "{report}");
    hybrid.openai.expect_key(KEY);
    assert!(hybrid.synced(&CANARY)["notes"].is_null());
    assert_eq!(hybrid.openai.take_counts().answered.len(), 8, "the next sync asked");
}
