//! The four tools: what they answer, and what they refuse.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{ask, call, connect, connect_modern, refusal};
use crate::programs::{Server, corpora, corpora_index, small_corpus, sync};

#[tokio::test]
async fn clients_of_both_eras_list_and_call_all_tools() {
    let server = Server::start(corpora_index());
    for client in [connect(&server).await, connect_modern(&server).await] {
        let info = client.peer_info().expect("the server's info");
        let server = info.server_info.as_ref().expect("a name");
        assert_eq!((server.name.as_str(), server.version.as_str()), ("lectern", env!("CARGO_PKG_VERSION")));
        let tools = client.list_all_tools().await.expect("tools");
        let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names, BTreeSet::from(["search_docs", "fetch_doc", "list_docs", "get_index_status"]));
        for tool in &tools {
            let hints = tool.annotations.as_ref().expect("annotations");
            assert_eq!(
                (hints.read_only_hint, hints.idempotent_hint, hints.open_world_hint),
                (Some(true), Some(true), Some(false))
            );
            assert!(tool.output_schema.is_some() && tool.input_schema["additionalProperties"] == false);
        }
        let (found, text) = ask(&client, "search_docs", json!({"query": "install"})).await;
        assert!(text.contains(found["results"][0]["path"].as_str().expect("a path")));
        for field in ["results", "omitted", "next_cursor", "mode", "degraded", "sources"] {
            assert!(found.get(field).is_some(), "{field}");
        }
        assert_eq!(found["mode"], "lexical");
        let (status, _) = ask(&client, "get_index_status", json!({})).await;
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["sources"].as_array().expect("sources").len(), corpora().len());
        client.cancel().await.expect("an end");
    }
}

#[tokio::test]
async fn bad_arguments_are_tool_errors_that_say_what_to_change() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    for (tool, arguments, says) in [
        ("search_docs", json!({}), "missing field `query`"),
        ("search_docs", json!({"query": ""}), "query is empty"),
        ("search_docs", json!({"query": "x", "max_results": 0}), "use 1 to 50"),
        ("search_docs", json!({"query": "x", "max_tokens": 20001}), "use 200 to 20000"),
        ("search_docs", json!({"query": "x", "limit": 5}), "unknown field `limit`"),
        ("search_docs", json!({"query": "x", "source": "nowhere"}), "there is no source"),
        ("search_docs", json!({"query": "x", "version": "v9"}), "there is no version"),
        ("search_docs", json!({"query": "x", "cursor": "AAAAAAAAAA"}), "cursor does not belong"),
        ("fetch_doc", json!({"path": "x.md", "max_tokens": 0}), "use 200 to 20000"),
        ("fetch_doc", json!({"path": "nowhere.md"}), "the nearest are"),
        ("list_docs", json!({"limit": 501}), "use 1 to 500"),
        ("list_docs", json!({"cursor": "?"}), "cursor does not belong"),
        ("get_index_status", json!({"verbose": true}), "unknown field `verbose`"),
    ] {
        let error = refusal(&client, tool, arguments.clone()).await;
        assert!(error.contains(says), "{tool} {arguments}: {error} should say {says}");
    }
    let unknown = rmcp::model::CallToolRequestParams::new("search");
    let error = client.call_tool(unknown).await.expect_err("no such tool").to_string();
    assert!(error.contains("search_docs"), "{error}");
}

#[tokio::test]
async fn every_text_is_a_legal_query() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    for query in [
        "\"",
        "'",
        "*",
        "AND",
        "NEAR(a b)",
        "a AND OR NOT b",
        "(((",
        "-",
        "^x",
        "col:val",
        "{}",
        "\\",
        "\u{0}",
        "💥",
        "文档",
        "a\nb\tc",
        "%_",
        ";DROP TABLE chunks;--",
        "\u{202e}x",
    ] {
        let result = call(&client, "search_docs", json!({"query": query})).await;
        assert_ne!(result.is_error, Some(true), "{query:?}: {result:?}");
    }
    let long = "lifetime ".repeat(20_000);
    assert_ne!(call(&client, "search_docs", json!({"query": long})).await.is_error, Some(true));
}

/// Invariant 8: the cited lines of the file are the content, and its hash matches.
#[tokio::test]
async fn cited_lines_are_the_content() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    let folders = corpora();
    let mut checked = 0;
    for (query, max_tokens) in
        [("how do I install it", 600), ("error", 3000), ("trait", 20_000), ("configuration file", 900)]
    {
        let arguments = json!({"query": query, "max_tokens": max_tokens, "max_results": 50});
        let (found, _) = ask(&client, "search_docs", arguments).await;
        for hit in found["results"].as_array().expect("results") {
            let text = |field: &str| hit[field].as_str().expect("text").to_owned();
            let source = text("source");
            let folder =
                folders.iter().find(|folder| folder.ends_with(&source)).expect("the source's folder");
            let file = std::fs::read_to_string(folder.join(text("path"))).expect("the document");
            let lines: Vec<&str> = file.split_inclusive('\n').collect();
            let line = |field: &str| hit[field].as_u64().expect("a line") as usize;
            let cited = lines[line("start_line") - 1..line("end_line")].concat();
            let content = text("content");
            // A chunk inside one long line is a part of the line.
            assert!(cited == content || line("start_line") == line("end_line") && cited.contains(&content));
            assert_eq!(text("content_hash"), lectern_index::chunk::Hash::of(content.as_bytes()).to_string());
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

#[tokio::test]
async fn cursors_walk_through_all_results_once() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    let mut arguments = json!({"query": "function", "max_results": 7, "max_tokens": 2000});
    let (mut seen, mut first) = (BTreeSet::new(), None);
    loop {
        let (page, _) = ask(&client, "search_docs", arguments.clone()).await;
        let results = page["results"].as_array().expect("results");
        let total = results.len() as u64 + page["omitted"].as_u64().expect("a number");
        first.get_or_insert(total);
        for hit in results {
            let place = (hit["path"].to_string(), hit["start_line"].as_u64());
            assert!(seen.insert(place.clone()), "{place:?} came twice");
        }
        match &page["next_cursor"] {
            Value::Null => break,
            cursor => arguments["cursor"] = cursor.clone(),
        }
    }
    assert_eq!(Some(seen.len() as u64), first);
}

#[tokio::test]
async fn documents_are_read_whole_by_section_and_from_a_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index.db");
    sync(&index, &[&small_corpus()]);
    let server = Server::start(&index);
    let client = connect(&server).await;

    let (page, text) = ask(&client, "fetch_doc", json!({"path": "index.md"})).await;
    let file = std::fs::read_to_string(small_corpus().join("index.md")).expect("the document");
    let body = file.splitn(3, "---\n").nth(2).expect("a body");
    assert_eq!(page["content"].as_str().expect("text").trim_start(), body.trim_start());
    assert!(text.contains("ordered stream") && page["omitted"] == 0);

    let section = json!({"path": "guides/install.md", "heading": "from-source"});
    let (page, _) = ask(&client, "fetch_doc", section).await;
    assert!(page["content"].as_str().expect("text").starts_with("## From source\n"), "{page}");
    assert_eq!((&page["heading"], &page["start_line"]), (&json!("From source"), &json!(11)));

    let (page, _) = ask(&client, "fetch_doc", json!({"path": "guides/install.md", "start_line": 15})).await;
    assert!(page["content"].as_str().expect("text").starts_with("## Uninstall\n"), "{page}");
    let error = refusal(&client, "fetch_doc", json!({"path": "install.md"})).await;
    assert!(error.contains("guides/install.md"), "{error}");
    let error = refusal(&client, "fetch_doc", json!({"path": "index.md", "heading": "Concept"})).await;
    assert!(error.contains("\"Concepts\""), "{error}");
}

#[tokio::test]
async fn a_path_in_several_sources_asks_for_the_source() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index.db");
    for name in ["one", "two"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        std::fs::write(folder.path().join(name).join("a.md"), format!("# From {name}\n\ntext\n"))
            .expect("a file");
    }
    sync(&index, &[&folder.path().join("one"), &folder.path().join("two")]);
    let server = Server::start(&index);
    let client = connect(&server).await;
    let error = refusal(&client, "fetch_doc", json!({"path": "a.md"})).await;
    assert!(error.contains("one, two"), "{error}");
    let (page, _) = ask(&client, "fetch_doc", json!({"path": "a.md", "source": "two"})).await;
    assert!(page["content"].as_str().expect("text").contains("From two"));
    let (found, _) = ask(&client, "search_docs", json!({"query": "text", "source": "one"})).await;
    assert_eq!(found["sources"].as_array().expect("sources").len(), 1);
}

#[tokio::test]
async fn lists_have_every_document_once_and_in_order() {
    let server = Server::start(corpora_index());
    let client = connect(&server).await;
    let mut arguments = json!({"limit": 33});
    let mut seen: Vec<(String, String)> = Vec::new();
    loop {
        let (page, _) = ask(&client, "list_docs", arguments.clone()).await;
        for document in page["documents"].as_array().expect("documents") {
            let text = |field: &str| document[field].as_str().expect("text").to_owned();
            seen.push((text("source"), text("path")));
        }
        match &page["next_cursor"] {
            Value::Null => break,
            cursor => arguments["cursor"] = cursor.clone(),
        }
    }
    assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
    let (status, _) = ask(&client, "get_index_status", json!({})).await;
    assert_eq!(status["documents"].as_u64(), Some(seen.len() as u64));
}
