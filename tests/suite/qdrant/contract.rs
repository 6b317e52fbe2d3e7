//! What holds of an index, wherever it is.

use serde_json::{Value, json};

use super::on_each;
use crate::ingest::workspace::{Workspace, page};
use crate::programs::{self, Server};

/// What a tool answers.
pub(super) fn ask(server: &Server, tool: &str, arguments: Value) -> Value {
    let url = server.url("/mcp");
    super::server::wait(async {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": { "name": tool, "arguments": arguments } });
        let request = reqwest::Client::new()
            .post(url)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .json(&body);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["result"].clone()
    })
}

/// The paths that a search finds, in order.
pub(super) fn paths(server: &Server, arguments: Value) -> Vec<String> {
    let answer = ask(server, "search_docs", arguments);
    assert_ne!(answer["isError"], true, "{answer}");
    let results = answer["structuredContent"]["results"].as_array().expect("results").clone();
    results.iter().map(|hit| hit["path"].as_str().expect("a path").to_owned()).collect()
}

/// Fills a workspace with pages.
pub(super) fn fill(workspace: &Workspace, pages: usize) {
    for i in 0..pages {
        workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 0));
    }
}

#[test]
fn whatever_changes_the_export_is_that_of_a_fresh_file() {
    on_each(|_, workspace| {
        fill(&workspace, 20);
        let first = workspace.synced(&[]);
        assert_eq!(first["documents"]["added"], 20);
        assert_eq!(workspace.export(), workspace.fresh_export());
        assert_eq!(workspace.synced(&[])["documents"]["unchanged"], 20);

        workspace.write("part0/page0000.md", page(0, 1));
        workspace.remove("part1/page0001.md");
        workspace.write("empty.md", "");
        workspace.remove("part2/page0002.md");
        workspace.write("moved/page0002.md", page(2, 0));
        let second = workspace.synced(&[]);
        let documents = &second["documents"];
        assert_eq!((&documents["changed"], &documents["renamed"]), (&json!(1), &json!(1)), "{second}");
        assert_eq!((&documents["removed"], &documents["added"]), (&json!(1), &json!(1)), "{second}");
        assert_eq!(workspace.export(), workspace.fresh_export());
        workspace.verified();

        // Back to what it was: the same ids as what was just taken away.
        workspace.write("part0/page0000.md", page(0, 0));
        workspace.write("part1/page0001.md", page(1, 0));
        workspace.synced(&[]);
        assert_eq!(workspace.export(), workspace.fresh_export());
        workspace.verified();
    });
}

#[test]
fn filters_and_lists_give_the_same_documents() {
    on_each(|place, workspace| {
        std::fs::write(
            workspace.root().join("lectern.toml"),
            "[[source]]\nname = \"a\"\nfolder = \"docs\"\nversion = \"1\"\n\
             [[source]]\nname = \"b\"\nfolder = \"docs\"\npath = \"part1\"\nversion = \"2\"\n",
        )
        .expect("a file");
        fill(&workspace, 21);
        assert_eq!(workspace.run(&["sync"]).0, 0);
        let server = Server::start(&workspace.index());
        let search = |filter: Value| {
            let mut arguments = json!({ "query": "request", "max_results": 50, "max_tokens": 20000 });
            for (name, value) in filter.as_object().expect("an object") {
                arguments[name] = value.clone();
            }
            let mut found = paths(&server, arguments);
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(search(json!({ "source": "b" })).len(), 3, "{place}");
        assert_eq!(search(json!({ "version": "2" })).len(), 3, "{place}");
        let folder = search(json!({ "path_prefix": "part2/" }));
        assert!(
            folder.len() == 3 && folder.iter().all(|path| path.starts_with("part2/")),
            "{place}: {folder:?}"
        );
        let within = search(json!({ "path_prefix": "part2/page000" }));
        assert_eq!(within, ["part2/page0002.md", "part2/page0009.md"], "{place}");
        assert_eq!(
            search(json!({ "path_prefix": "part2/page0", "source": "b" })),
            [] as [&str; 0],
            "{place}"
        );

        let list = |arguments: Value| {
            let answer = ask(&server, "list_docs", arguments);
            let listed = answer["structuredContent"]["documents"].as_array().expect("documents").clone();
            let name =
                |document: &Value| format!("{}/{}", document["source"], document["path"]).replace('"', "");
            (listed.iter().map(name).collect::<Vec<_>>(), answer["structuredContent"]["next_cursor"].clone())
        };
        let (all, _) = list(json!({ "limit": 100 }));
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!((all.len(), &all), (24, &sorted), "{place}");
        let (first, cursor) = list(json!({ "limit": 10 }));
        let (second, _) = list(json!({ "limit": 100, "cursor": cursor }));
        assert_eq!([first, second].concat(), all, "{place}");
    });
}

#[test]
fn equal_scores_stand_in_the_same_order() {
    let orders = std::sync::Mutex::new(Vec::new());
    on_each(|_, workspace| {
        for i in 0..12 {
            workspace.write(&format!("same{i}.md"), "# Heron\n\nThe grey heron stands in the water.\n");
        }
        workspace.write("other.md", "# Gull\n\nThe gull flies.\n");
        workspace.synced(&[]);
        let server = Server::start(&workspace.index());
        let found = paths(&server, json!({ "query": "heron", "max_results": 50, "max_tokens": 20000 }));
        assert_eq!(found.len(), 12);
        orders.lock().expect("the orders").push(found);
    });
    let orders = orders.into_inner().expect("the orders");
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "{orders:#?}");
}

#[test]
fn a_failing_document_keeps_its_version_and_drafts_are_left_out() {
    on_each(|_, workspace| {
        workspace.write("good.md", "# Good\n\nfirst\n");
        workspace.write("draft.md", "---\ndraft: true\n---\n\n# Draft\n");
        workspace.synced(&[]);
        workspace.write("good.md", [0xff, 0xfe, 0x00]);
        let (code, report) = workspace.sync(&[]);
        assert_eq!((code, &report["sources"][0]["documents"]["total"]), (3, &json!(1)), "{report}");
        assert!(workspace.export().contains("first"));
        workspace.write("good.md", "# Good\n\nsecond\n");
        workspace.synced(&[]);
        assert!(workspace.export().contains("second") && !workspace.export().contains("Draft"));
        workspace.verified();
    });
}

#[test]
fn sources_that_are_first_published_together_are_all_served() {
    for _ in 0..4 {
        on_each(|place, workspace| {
            let source = |i| format!("[[source]]\nname = \"s{i}\"\nfolder = \"docs\"\n");
            let settings: String = (0..12).map(source).collect();
            std::fs::write(workspace.root().join("lectern.toml"), settings).expect("a file");
            workspace.write("a.md", "# A\n\ntext\n");
            let (code, out, error) = workspace.run(&["sync"]);
            assert_eq!(code, 0, "{place}: {out}{error}");
            assert_eq!(workspace.export().lines().count(), 12, "{place}");
        });
    }
}

#[test]
fn a_build_that_was_left_behind_is_served_only_when_it_has_caught_up() {
    on_each(|place, workspace| {
        let source = |name: &str| format!("[[source]]\nname = \"{name}\"\nfolder = \"docs/{name}\"\n");
        std::fs::write(workspace.root().join("lectern.toml"), source("a") + &source("b")).expect("a file");
        ["a", "b"].iter().for_each(|name| workspace.write(&format!("{name}/page.md"), page(1, 1)));
        let other = ["sync", "--set", "chunk.max_tokens=200"];
        assert_eq!(workspace.run(&["sync"]).0, 0);
        assert_eq!(workspace.run(&other).0, 0);
        // Times are of seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        workspace.write("b/page.md", "# B\n\nzebrafish\n");
        assert_eq!(workspace.run(&other).0, 0);
        assert!(workspace.export().contains("zebrafish"));
        // The build of the first settings has b as it was, and b cannot be read.
        std::fs::rename(workspace.docs().join("b"), workspace.root().join("away")).expect("a rename");
        assert_eq!(workspace.run(&["sync"]).0, 4);
        assert!(workspace.export().contains("zebrafish"), "{place}: what is served is old");
        std::fs::rename(workspace.root().join("away"), workspace.docs().join("b")).expect("a rename");
        assert_eq!(workspace.run(&["sync"]).0, 0);
        let export = workspace.export();
        assert!(export.contains("zebrafish"), "{place}");
        let (code, out, error) = workspace.run(&["status"]);
        assert!(code == 0 && out.contains("is kept"), "{place}: {out}{error}");
    });
}

#[test]
fn other_settings_fill_a_build_beside_the_one_that_is_served() {
    on_each(|place, workspace| {
        let source = |name: &str| format!("[[source]]\nname = \"{name}\"\nfolder = \"docs\"\n");
        std::fs::write(workspace.root().join("lectern.toml"), source("a") + &source("b")).expect("a file");
        fill(&workspace, 6);
        let (code, out, error) = workspace.run(&["sync"]);
        assert_eq!(code, 0, "{place}: {out}{error}");
        let old = workspace.export();
        // b cannot be read: the new build lacks it, so the old one is served on.
        let shorter = ["--set", "chunk.max_tokens=40"];
        std::fs::write(
            workspace.root().join("lectern.toml"),
            source("a") + &source("b").replace("docs", "gone"),
        )
        .expect("a file");
        assert_eq!(workspace.run(&[&["sync"][..], &shorter].concat()).0, 4, "{place}");
        assert_eq!(workspace.export(), old, "{place}");
        let status = workspace.run(&["status"]).1;
        assert!(status.contains("is filling: 1 sources, 6 documents"), "{place}: {status}");

        std::fs::write(workspace.root().join("lectern.toml"), source("a") + &source("b")).expect("a file");
        assert_eq!(workspace.run(&[&["sync"][..], &shorter].concat()).0, 0, "{place}");
        let new = workspace.export();
        assert!(new.lines().count() > old.lines().count(), "{place}");
        assert!(workspace.run(&["status"]).1.contains("is kept"), "{place}");

        let (code, out, error) = workspace.run(&["rollback"]);
        assert_eq!((code, workspace.export()), (0, old), "{place}: {out}{error}");
        assert_eq!(workspace.run(&["rollback"]).0, 0);
        assert_eq!(workspace.export(), new, "{place}");
        let (code, out, _) = workspace.run(&["prune", "--builds"]);
        assert!(code == 0 && out.contains("1 builds"), "{place}: {out}");
        assert_eq!(workspace.run(&["rollback"]).0, 2, "{place}: there is none to go back to");
        assert_eq!(workspace.export(), new, "{place}");
    });
}

#[test]
fn paths_with_white_space_are_paths() {
    on_each(|place, workspace| {
        let odd =
            ["Getting Started.md", "user guide/first steps.md", "a\ttab.md", "user guide/b.md", "plain.md"];
        for path in odd {
            workspace.write(path, format!("# {path}\n\nhow to frobnicate\n"));
        }
        workspace.synced(&[]);
        workspace.verified();
        assert_eq!(workspace.export(), workspace.fresh_export(), "{place}");
        let server = Server::start(&workspace.index());
        let found = paths(&server, json!({ "query": "frobnicate", "path_prefix": "user guide/" }));
        assert_eq!(found.len(), 2, "{place}: {found:?}");
        let read = ask(&server, "fetch_doc", json!({ "path": odd[0] }));
        assert_ne!(read["isError"], true, "{place}: {read}");
        workspace.remove(odd[0]);
        workspace.write("Started Getting.md", format!("# {}\n\nhow to frobnicate\n", odd[0]));
        workspace.remove(odd[1]);
        let renamed = workspace.synced(&[]);
        assert_eq!(renamed["documents"]["renamed"], 1, "{place}");
        assert_eq!(workspace.export(), workspace.fresh_export(), "{place}");
    });
}

#[test]
fn a_source_that_left_goes_when_pruned() {
    on_each(|place, workspace| {
        let source = |name: &str| format!("[[source]]\nname = \"{name}\"\nfolder = \"docs\"\n");
        let configure = |text: String| std::fs::write(workspace.root().join("lectern.toml"), text);
        fill(&workspace, 4);
        configure(source("a") + &source("b")).expect("a file");
        assert_eq!(workspace.run(&["sync"]).0, 0);
        configure(source("a")).expect("a file");
        let (code, out, error) = workspace.run(&["prune", "--sources", "--cache"]);
        assert!(code == 0 && out.contains("1 sources (b)"), "{place}: {out}{error}");
        let export = workspace.export();
        assert!(export.contains("\"source\":\"a\"") && !export.contains("\"source\":\"b\""), "{place}");
        workspace.verified();
    });
}

#[test]
fn a_question_from_the_command_line_is_answered() {
    on_each(|place, workspace| {
        fill(&workspace, 4);
        workspace.synced(&[]);
        let mut query = programs::command("lectern-serve");
        query.args(["query", "request header", "--json", "--index"]).arg(workspace.index());
        let (code, out, error) = programs::text(programs::run(&mut query));
        assert!(code == 0 && out.contains("lexical"), "{place}: {out}{error}");
    });
}
