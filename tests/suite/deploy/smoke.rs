//! `scripts/smoke`: green against a server that is well, red against every one that is not.

use std::collections::HashMap;
use std::process::Command;

use axum::Router;
use sqlx::{ConnectOptions, Connection};

use crate::programs::{Server, root, run, small_corpus, sync, text};

const TOKEN: &str = "smoke-test";

/// Exit code and output of the script.
fn smoke(url: &str, token: Option<&str>, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new("python3");
    command.arg(root().join("scripts/smoke")).arg(url).args(arguments).env_remove("LECTERN_TOKEN");
    // However slow the machine is: latency is no matter here.
    command.args(["--max-ms", "60000"]).envs(token.map(|token| ("LECTERN_TOKEN", token)));
    let (code, out, error) = text(run(&mut command));
    (code, out + &error)
}

struct Deployed {
    folder: tempfile::TempDir,
}

impl Deployed {
    fn new() -> Self {
        let deployed = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        sync(&deployed.index(), &[&small_corpus()]);
        deployed
    }

    fn index(&self) -> std::path::PathBuf {
        self.folder.path().join("index.db")
    }

    /// Serves it, with the token or open.
    fn serve(&self, token: Option<&str>) -> Server {
        let variables: HashMap<&str, &str> =
            token.map(|token| ("LECTERN_TOKEN", token)).into_iter().collect();
        Server::with(&self.index(), &[], &variables)
    }

    /// Runs SQL behind the programs' backs.
    fn damage(&self, sql: &'static str) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.index());
            let mut db = options.connect().await.expect("the index");
            sqlx::raw_sql(sql).execute(&mut db).await.expect("legal SQL");
            db.close().await.expect("a closed index");
        });
    }
}

fn refused(outcome: (i32, String), says: &[&str]) {
    let (code, out) = outcome;
    assert_eq!(code, 1, "{out}");
    for says in says {
        assert!(out.contains(says), "{out}\nshould say {says}");
    }
}

#[test]
fn a_server_that_is_well_is_green() {
    let deployed = Deployed::new();
    for token in [None, Some(TOKEN)] {
        let server = deployed.serve(token);
        for url in ["", "/", "/mcp"] {
            let (code, out) = smoke(&server.url(url), token, &[]);
            assert_eq!(code, 0, "{out}");
            assert_eq!(out.matches("ok    ").count(), 7, "{out}");
            assert!(!out.contains(TOKEN), "the token is not printed");
        }
    }
    // While callers change from one token to the next.
    let server = deployed.serve(Some("next previous"));
    for token in ["next", "previous", "next previous"] {
        assert_eq!(smoke(&server.url("/mcp"), Some(token), &[]).0, 0, "{token}");
    }
}

#[test]
fn doors_that_stand_open_or_closed_are_red() {
    let deployed = Deployed::new();
    let open = deployed.serve(None);
    refused(smoke(&open.url(""), Some(TOKEN), &[]), &["with no token got status 200, not 401"]);
    let guarded = deployed.serve(Some(TOKEN));
    refused(smoke(&guarded.url(""), Some("wrong"), &[]), &["set LECTERN_TOKEN"]);
    refused(smoke(&guarded.url(""), None, &[]), &["set LECTERN_TOKEN"]);
}

#[test]
fn an_index_that_is_not_well_is_red() {
    let missing = Deployed { folder: tempfile::tempdir().expect("a temporary folder") };
    let server = missing.serve(None);
    refused(smoke(&server.url(""), None, &[]), &["FAIL  health: status 503", "missing"]);
    // It becomes well while the script waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| smoke(&server.url(""), None, &["--wait", "60"]));
        sync(&missing.index(), &[&small_corpus()]);
        let (code, out) = waiting.join().expect("an outcome");
        assert_eq!(code, 0, "{out}");
    });

    let stale = Deployed::new();
    stale.damage("UPDATE heads SET checked_at = '2020-01-01T00:00:00Z'");
    let server = stale.serve(None);
    refused(
        smoke(&server.url(""), None, &[]),
        &["FAIL  freshness: corpus was last checked", "6 ok, 1 failed"],
    );
    assert_eq!(smoke(&server.url(""), None, &["--max-age", "1000000"]).0, 0);

    let unsearchable = Deployed::new();
    unsearchable.damage("DELETE FROM fts_1");
    let server = unsearchable.serve(None);
    refused(smoke(&server.url(""), None, &[]), &["FAIL  searches: corpus: nothing is found"]);

    let newer = Deployed::new();
    super::versions::make_newer(&newer.index());
    let server = newer.serve(None);
    refused(smoke(&server.url(""), None, &[]), &["incompatible"]);
}

#[test]
fn what_is_no_lectern_is_red() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let address = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let yes_man = Router::new().fallback(async || "{\"status\": \"ok\", \"result\": {}}");
        tokio::spawn(async { axum::serve(listener, yes_man).await });
        address
    });
    refused(smoke(&format!("http://{address}"), None, &[]), &["1 ok, 6 failed"]);
    drop(runtime);
    refused(smoke(&format!("http://{address}"), None, &[]), &["does not answer", "1 ok, 6 failed"]);
    assert_eq!(smoke("docs.example.com", None, &[]).0, 2);
}
