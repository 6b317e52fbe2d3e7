//! Standard input and output: protocol and nothing else (invariant 11).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rmcp::ServiceExt;
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

use super::client::{ask, initialize, refusal};
use crate::programs::{command, corpora_index, ended, program, signal};

#[tokio::test]
async fn a_client_lists_and_calls_all_tools() {
    let mut serve = tokio::process::Command::new(program("lectern-serve"));
    serve.arg("--index").arg(corpora_index()).arg("--stdio").current_dir(std::env::temp_dir());
    let (process, _) = TokioChildProcess::builder(serve).stderr(Stdio::null()).spawn().expect("a process");
    let client = ().serve(process).await.expect("a connection");
    assert_eq!(client.list_all_tools().await.expect("tools").len(), 4);
    let (found, _) = ask(&client, "search_docs", json!({"query": "install", "max_results": 1})).await;
    let hit = &found["results"][0];
    ask(&client, "fetch_doc", json!({"path": hit["path"], "source": hit["source"]})).await;
    ask(&client, "list_docs", json!({"limit": 3})).await;
    ask(&client, "get_index_status", json!({})).await;
    refusal(&client, "search_docs", json!({"query": "x", "max_tokens": 1})).await;
    client.cancel().await.expect("an end");
}

struct Raw {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Raw {
    /// As talkative as it gets: logs, and an index that cannot be read.
    fn start() -> Self {
        let mut serve = command("lectern-serve");
        serve.args(["--stdio", "--index", "/nowhere/index.db"]).env("LECTERN_LOG", "trace");
        let mut child = serve
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdin, stdout }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("a pipe"), "{line}").expect("it listens");
    }

    /// The next line, which has to be a message of the protocol; `None` at the end.
    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        (!line.is_empty()).then(|| {
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: {line:?}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            message
        })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn standard_output_is_protocol_only() {
    let mut server = Raw::start();
    server.say(&initialize("2025-06-18").to_string());
    let answer = server.hear().expect("an answer");
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    server.say("{this is not json");
    server.say("");
    let answer = server.hear().expect("an answer");
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32700)));
    server.stdin.as_mut().expect("a pipe").write_all(b"\"\xff\"\n").expect("it listens");
    assert_eq!(server.hear().expect("an answer")["error"]["code"], -32700);
    for id in 2..6 {
        let call = json!({"name": "search_docs", "arguments": {"query": "x"}});
        server.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call}).to_string());
    }
    let mut answered: Vec<i64> = Vec::new();
    while answered.len() < 4 {
        let message = server.hear().expect("an answer");
        if let Some(id) = message["id"].as_i64() {
            assert_eq!(message["result"]["isError"], true, "{message}");
            answered.push(id);
        }
    }
    // A last line needs no end; the end of input ends it, and nothing more is said.
    let last = json!({"jsonrpc": "2.0", "id": 6, "method": "ping"});
    write!(server.stdin.as_mut().expect("a pipe"), "{last}").expect("it listens");
    server.stdin = None;
    assert_eq!(server.hear().expect("an answer")["id"], 6);
    assert_eq!(server.hear(), None);
    assert_eq!(ended(&mut server.child).code(), Some(0));
}

#[test]
fn signals_and_an_early_end_are_no_failures() {
    for name in ["TERM", "INT"] {
        let mut server = Raw::start();
        server.say(&initialize("2025-11-25").to_string());
        server.hear().expect("an answer");
        signal(server.child.id(), name);
        assert_eq!(ended(&mut server.child).code(), Some(0), "{name}");
    }
    let mut server = Raw::start();
    server.stdin = None;
    assert_eq!(ended(&mut server.child).code(), Some(0));
}
