//! The commands of `lectern-serve`: what they print, and the exit codes scripts rely on.

use serde_json::Value;

use crate::programs::{Server, command, corpora_index, output, run, text};

fn index() -> &'static str {
    corpora_index().to_str().expect("a path in UTF-8")
}

#[test]
fn query_prints_passages_for_people() {
    let (code, out, error) = output("lectern-serve", &["query", "install", "--index", index()]);
    assert_eq!((code, error.as_str()), (0, ""));
    let first = out.lines().next().expect("a line");
    assert!(
        first.starts_with("1. ") && first.contains("score 1.000") && first.contains(" tokens"),
        "{first}"
    );
    assert!(!out.contains('\u{1b}'), "colours are for terminals");
    assert!(out.trim_end().lines().last().expect("a line").starts_with("lexical"), "{out}");
}

#[test]
fn query_prints_the_structured_content_for_programs() {
    let arguments = ["query", "install", "--json", "--max-results", "2", "--index", index()];
    let (code, out, error) = output("lectern-serve", &arguments);
    assert_eq!((code, error.as_str(), out.lines().count()), (0, "", 1));
    let answer: Value = serde_json::from_str(&out).expect("one object");
    let mut keys: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["degraded", "mode", "next_cursor", "omitted", "results", "sources"]);
    let hit = answer["results"][0].as_object().expect("a hit");
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
    let cursor = answer["next_cursor"].as_str().expect("there is more");
    let more = ["query", "install", "--json", "--max-results", "2", "--index", index(), "--cursor", cursor];
    let (code, out, _) = output("lectern-serve", &more);
    let next: Value = serde_json::from_str(&out).expect("one object");
    assert!(code == 0 && next["results"][0] != answer["results"][0]);
}

#[test]
fn failures_say_what_to_do_and_have_their_exit_codes() {
    for (arguments, expected, says) in [
        (&["query", "x", "--index", "/nowhere/index.db"][..], 5, "lectern-ingest sync"),
        (&["query", "x", "--max-tokens", "-1", "--index", index()], 2, "use 200 to 20000"),
        (&["query", "x", "--source", "nowhere", "--index", index()], 2, "there is no source"),
        (&["query", "", "--index", index()], 2, "query is empty"),
        (&["query"], 2, "<TEXT>"),
        (&["query", "x", "--index", "ftp://localhost"], 2, "sqlite://PATH"),
        (&["query", "x", "--index", "http://localhost:6334"], 2, "index.collection"),
        (&["query", "x", "--listen", "127.0.0.1:1"], 2, "--listen"),
        (&["--stdio", "--listen", "127.0.0.1:1"], 2, "--stdio"),
        (&["--set", "serve.lisen=x"], 2, "did you mean `listen`?"),
        (&["--set", "serve.max_concurrent=0"], 2, "use 1 or more"),
        (&["--config", "/nowhere/lectern.toml"], 2, "/nowhere/lectern.toml"),
        (&["--listen", "nonsense"], 2, "ADDRESS:PORT"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["healthcheck", "--listen", "127.0.0.1:1"], 1, "nothing listens there"),
    ] {
        let (code, out, error) = output("lectern-serve", arguments);
        assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error} should say {says}");
    }
}

#[test]
fn json_is_printed_whatever_happens() {
    for (arguments, expected, says) in [
        (&["query", "x", "--index", "/nowhere/index.db"][..], 5, "lectern-ingest sync"),
        (&["query", "", "--index", index()], 2, "query is empty"),
        (&["query", "x", "--config", "/nowhere/lectern.toml"], 2, "/nowhere/lectern.toml"),
        (&["ask", "x", "--url", "http://127.0.0.1:1"], 1, "nothing answers"),
        (&["healthcheck", "--listen", "127.0.0.1:1"], 1, "nothing listens there"),
    ] {
        let (code, out, error) = output("lectern-serve", &[arguments, &["--json"]].concat());
        let object: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments:?}: {out:?}"));
        assert_eq!((code, &object["exit_code"]), (expected, &expected.into()), "{object}");
        assert!(object["error"].as_str().is_some_and(|said| said.contains(says) && error.contains(said)));
    }
    // A server's standard output is its client's.
    let (code, out, _) = output("lectern-serve", &["--stdio", "--json", "--set", "serve.max_concurrent=0"]);
    assert_eq!((code, out.as_str()), (2, ""));
}

#[test]
fn an_empty_file_is_an_index_that_is_not_made_yet() {
    let file = tempfile::NamedTempFile::new().expect("an empty file");
    let index = file.path().to_str().expect("a path in UTF-8");
    let (code, _, error) = output("lectern-serve", &["query", "x", "--index", index]);
    assert!(code == 5 && error.contains("lectern-ingest sync"), "{code}: {error}");
}

#[test]
fn a_port_in_use_is_said() {
    let server = Server::start(corpora_index());
    let (code, _, error) = output("lectern-serve", &["--listen", &server.address, "--index", index()]);
    assert!(code == 1 && error.contains("--listen"), "{code}: {error}");
}

#[test]
fn healthcheck_asks_the_server() {
    let server = Server::start(corpora_index());
    let (code, out, _) = output("lectern-serve", &["healthcheck", "--listen", &server.address]);
    assert_eq!((code, out.as_str()), (0, "ok: index ready\n"));
    let (code, out, _) = output("lectern-serve", &["healthcheck", "--json", "--listen", &server.address]);
    let health: Value = serde_json::from_str(&out).expect("one object");
    assert!(code == 0 && health["status"] == "ok");

    let server = Server::start(std::path::Path::new("/nowhere/index.db"));
    let (code, out, _) = output("lectern-serve", &["healthcheck", "--listen", &server.address]);
    assert_eq!((code, out.as_str()), (1, "unavailable: index missing\n"));
}

#[test]
fn ask_makes_the_call_of_a_client() {
    let server = Server::start(corpora_index());
    let url = format!("http://{}/mcp", server.address);
    let (code, out, error) = output("lectern-serve", &["ask", "install", "--url", &url]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("[1] ") && out.contains("lexical; "), "{out}");

    let arguments = ["install", "--json", "--max-results", "2"];
    let (_, asked, _) =
        output("lectern-serve", &[&["ask", "--listen", &server.address][..], &arguments].concat());
    let (_, queried, _) = output("lectern-serve", &[&["query", "--index", index()][..], &arguments].concat());
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("one object");
    assert_eq!(parse(&asked), parse(&queried));

    for (arguments, expected, says) in [
        (&["ask", "x", "--max-results", "51", "--url", &url][..], 1, "use 1 to 50"),
        (&["ask", "x", "--url", "http://127.0.0.1:1"], 1, "nothing answers at http://127.0.0.1:1/mcp"),
        (&["ask", "x", "--url", "https://docs.example.com/mcp"], 2, "http://HOST:PORT/mcp"),
    ] {
        let (code, out, error) = output("lectern-serve", arguments);
        assert!((code, out.as_str()) == (expected, "") && error.contains(says), "{code}: {error}");
    }
}

#[test]
fn settings_come_from_the_file_and_dotenv() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("lectern.toml"), format!("[index]\nurl = {:?}\n", index()))
        .expect("a file");
    let ask = || text(run(command("lectern-serve").args(["query", "install"]).current_dir(folder.path())));
    assert_eq!(ask().0, 0);
    std::fs::write(folder.path().join(".env"), "LECTERN_INDEX_URL=/nowhere/index.db\n").expect("a file");
    let (code, _, error) = ask();
    assert!(code == 5 && error.contains("/nowhere/index.db"), "{code}: {error}");
    std::fs::write(folder.path().join(".env"), "LECTERN_TOKEN='hush hush\n").expect("a file");
    let ingest = || text(run(command("lectern-ingest").arg("status").current_dir(folder.path())));
    for (code, _, error) in [ask(), ingest()] {
        assert!(code == 2 && error.contains(".env") && !error.contains("hush"), "{code}: {error}");
    }
}

#[test]
fn help_teaches_and_completions_are_printed() {
    let (code, out, _) = output("lectern-serve", &["--help"]);
    assert!(code == 0 && out.contains("Examples:") && out.contains("--stdio"), "{out}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = output("lectern-serve", &["completions", shell]);
        assert!(code == 0 && out.contains("lectern-serve"), "{shell}");
    }
}
