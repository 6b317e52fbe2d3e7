use lectern_index::chunk::Chunk;
use lectern_index::document::{BlobSha, Document};
use proptest::prelude::*;

use super::*;
use crate::passage::tests::head;
use lectern_index::search::Mode;

const FRONT_MATTER_LINES: u32 = 3;

fn document(text: &str, github: bool) -> StoredDocument {
    let head = head("docs", github);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut chunks = Vec::new();
    let (mut line, mut byte) = (FRONT_MATTER_LINES + 1, 40);
    for part in lines.chunks(3) {
        let text = part.concat();
        chunks.push(Chunk {
            ordinal: chunks.len() as u32,
            start_byte: byte,
            end_byte: byte + text.len() as u32,
            start_line: line,
            end_line: line + part.len() as u32 - 1,
            heading_path: Vec::new(),
            anchor: None,
            tokens: 1,
            context: String::new(),
            text: text.clone(),
        });
        line += part.len() as u32;
        byte += text.len() as u32;
    }
    StoredDocument {
        document: Document {
            source: head.source.clone(),
            path: "guides/some-chapter/index.md".into(),
            blob_sha: BlobSha::of(text.as_bytes()),
            title: Some("Some chapter".into()),
            summary: None,
            entities: Vec::new(),
            lines: FRONT_MATTER_LINES + lines.len() as u32,
            tokens: 1,
            updated_at: None,
        },
        chunks,
        head,
    }
}

fn fetch(
    call: &FetchArguments,
    document: &StoredDocument,
    limit: usize,
) -> Result<Answer<FetchAnswer>, CallError> {
    fetch_as(call, document, limit, None)
}

fn fetch_as(
    call: &FetchArguments,
    document: &StoredDocument,
    limit: usize,
    degraded: Option<String>,
) -> Result<Answer<FetchAnswer>, CallError> {
    let text: String = document.chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    let part = Part::choose(call, document, &text)?;
    let provenance = Provenance { mode: Mode::Lexical, degraded, sources: Vec::new() };
    View { call, document, text: &text, part, provenance }.fill(&Budget::new(limit))
}

fn call() -> FetchArguments {
    FetchArguments { path: "guides/some-chapter/index.md".into(), ..FetchArguments::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn pages_join_to_the_document_within_the_budget(
        lines in prop::collection::vec(prop_oneof![
            "[a-z A-Z`*#-]{0,90}", "[äöü漢字👩‍💻\\\\\"\t]{0,60}", "(word |[0-9a-f]{8} ){50,400}"
        ], 0..60),
        limit in 200usize..1500,
        github in any::<bool>(),
        long in any::<bool>(),
        degraded in prop::option::of(Just(
            "made with openai/text-embedding-3-small/1536, but no embedder is configured"
        )),
    ) {
        let text = lines.join("\n");
        let mut document = document(&text, github);
        if long {
            document.head.source = SourceName::parse("example.example.github.io.handbook-ab12cd").expect("a name");
            document.document.source = document.head.source.clone();
            document.document.path =
                "core_modules/flow_integration_components/multi_agent_hosting/index.md".into();
        }
        let mut read = String::new();
        let mut call = call();
        loop {
            let answer = fetch_as(&call, &document, limit, degraded.map(String::from)).expect("an answer");
            let page = &answer.structured;
            let budget = Budget::new(limit);
            prop_assert!(budget.holds(&answer), "{} of {limit}", budget.cost(&answer));
            prop_assert_eq!(&page.content_hash, &Hash::of(page.content.as_bytes()).to_string());
            // A document without any text has no chunk that says where it begins.
            let first = if text.is_empty() { 1 } else { FRONT_MATTER_LINES as usize + 1 };
            let line = first + read.matches('\n').count();
            prop_assert_eq!(page.start_line as usize, line);
            prop_assert_eq!(page.end_line as usize, line + page.content.split_inclusive('\n').count().max(1) - 1);
            read.push_str(&page.content);
            match &page.next_cursor {
                Some(_) if page.content.is_empty() => prop_assert!(false, "the cursor does not lead on"),
                Some(cursor) => call.cursor = Some(cursor.clone()),
                None => break,
            }
        }
        prop_assert_eq!(read, text);
    }
}

#[test]
fn a_budget_without_room_for_a_character_is_refused_with_one_that_has() {
    let mut document = document("some words\n", true);
    document.document.path = format!("{}.md", "very-long/".repeat(100));
    let error = fetch(&call(), &document, 200).expect_err("it does not fit").to_string();
    let least: usize = error.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    let answer = fetch(&call(), &document, least).expect("an answer");
    assert_eq!(answer.structured.content, "some words\n");
    assert!(Budget::new(least).holds(&answer), "{error}");
}

#[test]
fn an_empty_line_alone_leads_on_too() {
    let document = document("\n\nsome words\n", true);
    for limit in 100..400 {
        if let Ok(answer) = fetch(&call(), &document, limit) {
            assert!(!answer.structured.content.is_empty(), "at {limit}");
        }
    }
}

#[test]
fn what_is_not_there_is_compared_no_longer_than_it_can_be() {
    let document = document(TEXT, true);
    let heading = Some("Use ".repeat(100_000));
    let error = fetch(&FetchArguments { heading, ..call() }, &document, 8000).expect_err("no such heading");
    let error = error.to_string();
    assert!(error.contains("\"Use\"") && error.len() < 1000, "{error}");
}

const TEXT: &str = "# Title\n\nIntro.\n\n## Use\n\nHow.\n\n### Deep\n\nMore.\n\n## End\n\nBye.\n";

#[test]
fn sections_and_lines_are_chosen() {
    let document = document(TEXT, true);
    let section = |heading: &str, start_line: Option<i64>| {
        let call = FetchArguments { heading: Some(heading.into()), start_line, ..call() };
        fetch(&call, &document, 8000).map(|answer| answer.structured).map_err(|error| error.to_string())
    };
    let found = section("use", None).expect("a section");
    assert_eq!((found.start_line, found.content.as_str()), (8, "## Use\n\nHow.\n\n### Deep\n\nMore.\n\n"));
    assert_eq!(found.heading.flatten().as_deref(), Some("Use"));
    let found = section("use", Some(12)).expect("a section");
    assert!(found.content.starts_with("### Deep") && found.start_line == 12);
    assert!(section("us", None).expect_err("no such heading").contains("\"Use\""));
    for outside in [17, 3, 1] {
        let error = section("use", Some(outside)).expect_err("not in the section");
        assert!(error.contains("lines 8 to 15") && error.contains("leave one"), "{error}");
    }

    let from = |line| fetch(&FetchArguments { start_line: Some(line), ..call() }, &document, 8000);
    let found = from(16).expect("a line").structured;
    assert_eq!((found.start_line, found.end_line, found.lines), (16, 18, 18));
    assert_eq!(found.content, "## End\n\nBye.\n");
    // Front matter is no part of what is read: its lines stand for the beginning.
    assert_eq!(from(1).expect("the first line").structured.start_line, 4);
    assert!(from(19).expect_err("no such line").to_string().contains("lines 1 to 18"));
    assert!(from(0).expect_err("no such line").to_string().contains("lines 1 to 18"));
}

#[test]
fn a_cursor_of_another_version_is_refused() {
    let long = "A line of some words.\n".repeat(200);
    let cursor = fetch(&call(), &document(&long, false), 300).expect("an answer").structured.next_cursor;
    let again = FetchArguments { cursor, ..call() };
    assert!(fetch(&again, &document(&long, false), 300).is_ok());
    let error = fetch(&again, &document(&long.replace("some", "many"), false), 300).expect_err("it changed");
    assert!(error.to_string().contains("has changed"), "{error}");
    let other = FetchArguments { start_line: Some(9), ..again };
    assert!(fetch(&other, &document(&long, false), 300).is_err());
}

#[test]
fn an_empty_document_is_no_error() {
    let found = fetch(&call(), &document("", false), 300).expect("an answer").structured;
    assert_eq!((found.content.as_str(), found.omitted, found.next_cursor), ("", 0, None));
}
