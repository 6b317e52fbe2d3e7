use std::collections::BTreeMap;

use lectern_index::chunk::Hash;
use lectern_index::search::Candidate;
use proptest::prelude::*;

use super::*;
use crate::arguments::SearchArguments;
use crate::passage::tests::{head, ranked};

fn found(texts: &[(bool, String)]) -> Found {
    let source = |github: bool| if github { "handbook" } else { "docs" };
    let lexical = texts
        .iter()
        .enumerate()
        .map(|(number, (github, text))| Candidate {
            score: 100.0 - number as f32,
            chunk: ranked(source(*github), number, text, 7).chunk,
        })
        .collect();
    let heads = vec![head("docs", false), head("handbook", true)];
    let status = crate::fake::status(heads);
    Found { lexical, dense: Vec::new(), status }
}

fn call(max_tokens: i64, max_results: i64, cursor: Option<String>) -> SearchCall {
    let arguments = SearchArguments {
        query: "when is a value dropped".into(),
        max_tokens: Some(max_tokens),
        max_results: Some(max_results),
        cursor,
        ..SearchArguments::default()
    };
    SearchCall::try_from(arguments).expect("good arguments")
}

fn ask(call: &SearchCall, found: Found) -> Result<Answer<SearchAnswer>, CallError> {
    page(call, &Terms::parse(&call.query), found, Mode::Lexical, None)
}

/// What documentation is made of, from lines that are easy to cut to lines no budget holds.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "# [A-Z][a-z ]{0,30}",
        "[a-zA-Z ,.]{0,90}",
        "```[a-z]{0,5}",
        "    [a-z_]+\\([a-z\", ]*\\);",
        "[äöü漢字かな👩‍💻 \\\\\"\t]{0,40}",
        "(value|dropped|scope|[a-z]{1,9} ){100,500}",
        "",
    ];
    prop::collection::vec(line, 1..30).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Invariant 9: a budget is a promise, whatever the passages are, and nothing gets lost.
    #[test]
    fn budgets_hold_and_cursors_walk_through_everything_once(
        texts in prop::collection::vec((any::<bool>(), text()), 0..9),
        max_tokens in prop_oneof![200i64..400, 200i64..20_000],
        max_results in 1i64..6,
    ) {
        let mut seen = BTreeMap::new();
        let (mut cursor, mut left_out, mut pages) = (None, 0, 0);
        loop {
            let call = call(max_tokens, max_results, cursor.take());
            let answer = ask(&call, found(&texts)).expect("an answer");
            let structured = &answer.structured;
            let budget = Budget::new(max_tokens as usize);
            prop_assert!(budget.count(&answer.text) <= max_tokens as usize);
            prop_assert!(budget.count(&crate::budget::json(structured)) <= max_tokens as usize);
            prop_assert!(structured.results.len() <= max_results as usize);
            for hit in &structured.results {
                prop_assert!(seen.insert(hit.path.clone(), ()).is_none(), "{} came twice", hit.path);
                let whole = texts.iter().map(|(_, text)| text).find(|text| text.contains(&hit.content));
                prop_assert!(whole.is_some(), "{:?} is no part of a passage", hit.content);
                prop_assert_eq!(&hit.content_hash, &Hash::of(hit.content.as_bytes()).to_string());
                prop_assert_eq!(hit.tokens, budget.count(&hit.content));
                let lines = hit.content.split_inclusive('\n').count().max(1) as u32;
                prop_assert_eq!(hit.end_line, hit.start_line + lines - 1);
                prop_assert!(structured.provenance.sources.iter().any(|state| state.source == hit.source));
            }
            let sources: std::collections::BTreeSet<_> = structured.results.iter().map(|hit| &hit.source).collect();
            let named = structured.provenance.sources.len();
            if sources.is_empty() {
                prop_assert!(named == 2 || structured.provenance.degraded.is_some());
            } else {
                prop_assert_eq!(named, sources.len());
            }
            pages += 1;
            prop_assert!(pages <= texts.len() + 1, "cursors go on for ever");
            match &structured.next_cursor {
                Some(next) => {
                    let after = ask(&self::call(max_tokens, max_results, Some(next.clone())), found(&texts));
                    let later = after.expect("its own cursor");
                    let later = later.structured.results.len() + later.structured.omitted;
                    // What is neither here nor later was left out, and counted as such.
                    prop_assert!(structured.omitted >= later);
                    left_out += structured.omitted - later;
                    cursor = Some(next.clone());
                }
                None => {
                    left_out += structured.omitted;
                    break;
                }
            }
        }
        prop_assert_eq!(seen.len() + left_out, texts.len());
    }
}

#[test]
fn where_nothing_is_found_the_sources_that_were_searched_are_named() {
    let names = |call: &SearchCall, found: Found| {
        let answer = ask(call, found).expect("an answer");
        let provenance = answer.structured.provenance;
        let names: Vec<String> = provenance.sources.into_iter().map(|state| state.source).collect();
        (names, provenance.degraded, answer.text)
    };
    let (all, degraded, text) = names(&call(3000, 5, None), found(&[]));
    assert_eq!((all, degraded), (vec!["docs".to_owned(), "handbook".to_owned()], None));
    assert!(text.contains("handbook@0123456789ab indexed"), "{text}");
    let mut only = call(3000, 5, None);
    only.filter.version = Some("v1.2".into());
    assert_eq!(names(&only, found(&[])).0, ["handbook"]);
    only.filter = Filter { source: Some(found(&[]).status.heads[0].source.clone()), ..Filter::default() };
    assert_eq!(names(&only, found(&[])).0, ["docs"]);
    // More than the budget holds: as many as fit, and it is said.
    let mut many = found(&[]);
    many.status.heads = (0..50).map(|n| head(&format!("source-{n}"), true)).collect();
    let (some, degraded, _) = names(&call(200, 5, None), many.clone());
    assert!(!some.is_empty() && some.len() < 50, "{some:?}");
    let said = format!("{} more sources were searched", 50 - some.len());
    assert!(degraded.as_ref().is_some_and(|reason| reason.contains(&said)), "{degraded:?}");
    assert_eq!(names(&call(20_000, 5, None), many).0.len(), 50);
}

#[test]
fn headings_stay_in_their_line() {
    let mut found = found(&[(false, PROSE.into())]);
    found.lexical[0].chunk.chunk.heading_path = vec!["A\u{1b}[2J\n[2] other a.md:1".into()];
    let text = ask(&call(3000, 5, None), found).expect("an answer").text;
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[2J\\n[2] other"), "{text}");
}

const PROSE: &str = "## Ownership\n\nEach value has an owner.\nThere is one owner at a time.\n\n\
                     A value is dropped when its owner goes out of scope.\nMemory is then freed.\n\n";

#[test]
fn the_smallest_budget_is_useful() {
    for github in [false, true] {
        let answer = ask(&call(200, 5, None), found(&[(github, PROSE.repeat(4))])).expect("an answer");
        let hit = answer.structured.results.first().expect("some of the passage fits");
        assert!(hit.content.contains("dropped"), "{hit:?}");
        assert!(answer.text.contains(&hit.path), "{}", answer.text);
        assert_eq!(hit.passage_lines.as_deref(), Some("7-38"));
    }
}

#[test]
fn everything_is_said_where_there_is_room() {
    let answer = ask(&call(3000, 5, None), found(&[(true, PROSE.into())])).expect("an answer");
    let json = crate::budget::value_of(&answer.structured);
    let hit = json["results"][0].as_object().expect("a hit");
    for field in [
        "source",
        "path",
        "title",
        "heading_path",
        "anchor",
        "url",
        "permalink",
        "start_line",
        "end_line",
        "content",
        "tokens",
        "score",
        "content_hash",
    ] {
        assert!(hit.contains_key(field), "{field}");
    }
    assert_eq!(hit["url"], "https://docs.example.org/guides/chapter-0/understanding-it/#what-it-is");
    assert_eq!(json["sources"][0]["commits_behind"], 3);
    assert_eq!(json["omitted"], 0);
    assert!(json["next_cursor"].is_null() && json["degraded"].is_null());
    assert!(
        answer.text.starts_with("[1] handbook guides/chapter-0/understanding-it.md:7-14 § "),
        "{}",
        answer.text
    );
}

#[test]
fn a_cursor_fits_its_own_arguments_only() {
    let texts = vec![(false, PROSE.to_owned()); 3];
    let cursor = ask(&call(3000, 1, None), found(&texts)).expect("an answer").structured.next_cursor;
    let mut other = call(3000, 1, cursor.clone());
    assert!(ask(&other, found(&texts)).is_ok());
    other.query = "something else".into();
    assert!(matches!(ask(&other, found(&texts)), Err(CallError::Invalid(_))));
    // A new generation is no error, but it is said.
    let mut newer = found(&texts);
    newer.status.heads[0].generation += 1;
    let answer = ask(&call(3000, 1, cursor), newer).expect("an answer");
    assert!(answer.structured.provenance.degraded.is_some());
}

#[test]
fn unknown_sources_and_versions_name_the_known() {
    let status = found(&[]).status;
    let filter = |source: Option<&str>, version: Option<&str>| Filter {
        source: source.map(|name| lectern_index::document::SourceName::parse(name).expect("a name")),
        version: version.map(String::from),
        path_prefix: None,
    };
    let error = check_filter(&filter(Some("dcos"), None), &status).expect_err("no such source").to_string();
    assert!(error.contains("docs, handbook"), "{error}");
    let error = check_filter(&filter(None, Some("v9")), &status).expect_err("no such version").to_string();
    assert!(error.contains("v1.2"), "{error}");
    assert!(check_filter(&filter(Some("docs"), Some("v1.2")), &status).is_ok());
}

mod modes {
    use super::*;
    use crate::fake::{FakeEmbedder, FakeIndex};
    use lectern_index::fingerprint::EmbedderId;

    /// Mode, reason and number of results of a search of an index made by `made`.
    async fn search(made: Option<&str>, embedder: Option<FakeEmbedder>) -> (Mode, Option<String>, usize) {
        let index = Arc::new(FakeIndex::new(made, Duration::ZERO));
        let embedder = embedder.map(|embedder| Arc::new(embedder) as Arc<dyn Embedder>);
        let searcher = Searcher::new(index.clone(), embedder, Duration::from_millis(50));
        let answer = searcher.search(&call(3000, 5, None)).await.expect("an answer").structured;
        (answer.provenance.mode, answer.provenance.degraded, answer.results.len())
    }

    fn embedder(id: &str) -> FakeEmbedder {
        FakeEmbedder::new(EmbedderId::from_stored(id))
    }

    /// Invariants 7 and 10: vectors of two embedders never meet, and nothing degrades silently.
    #[tokio::test]
    async fn whatever_happens_to_the_embedder_is_said() {
        assert_eq!(search(None, None).await, (Mode::Lexical, None, 1));
        assert_eq!(search(Some("m:1"), Some(embedder("m:1"))).await, (Mode::Hybrid, None, 2));
        // An index without vectors is complete without an embedder: nothing is degraded.
        assert_eq!(search(None, Some(embedder("m:1"))).await, (Mode::Lexical, None, 1));
        let slow = FakeEmbedder { delay: Duration::from_secs(5), ..embedder("m:1") };
        let failing = FakeEmbedder { fails: true, ..embedder("m:1") };
        for (embedder, says) in [
            (None, "no embedder is configured"),
            (Some(embedder("m:2")), "\"m:2\" is configured here"),
            (Some(slow), "in time"),
            (Some(failing), "failed"),
        ] {
            let (mode, degraded, results) = search(Some("m:1"), embedder).await;
            assert_eq!((mode, results), (Mode::Lexical, 1));
            assert!(degraded.as_ref().is_some_and(|reason| reason.contains(says)), "{degraded:?}");
        }
    }
}
