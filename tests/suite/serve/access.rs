//! Who may ask: the token, hosts and origins, and addresses that are not served without one.

use std::collections::HashMap;

use reqwest::StatusCode;

use super::client::{ask, connect_with, initialize, post};
use crate::programs::{Server, command, corpora_index, run, text};

const TOKEN: &str = "a-token-nobody-may-read-in-a-log";

fn guarded() -> Server {
    Server::with(corpora_index(), &[], &HashMap::from([("LECTERN_TOKEN", TOKEN), ("LECTERN_LOG", "trace")]))
}

#[tokio::test]
async fn only_holders_of_the_token_may_ask() {
    let server = guarded();
    let client = connect_with(&server, TOKEN).await.expect("the right token");
    ask(&client, "get_index_status", serde_json::json!({})).await;
    assert!(connect_with(&server, "wrong").await.is_err());

    let body = initialize("2025-11-25").to_string();
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", TOKEN)]] {
        let response = post(&server, headers, body.clone()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()["www-authenticate"].to_str().expect("text").starts_with("Bearer"));
    }
    let get = async |path: &str| reqwest::get(server.url(path)).await.expect("a response").status();
    assert_eq!(get("/metrics").await, StatusCode::UNAUTHORIZED);
    assert_eq!(get("/mcp").await, StatusCode::UNAUTHORIZED);
    for open in ["/health", "/livez", "/"] {
        assert_eq!(get(open).await, StatusCode::OK, "{open}");
    }
    let log = server.log();
    assert!(log.len() > 100 && !log.contains(TOKEN), "the token is in the log");
}

#[test]
fn an_open_address_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut serve = command("lectern-serve");
        serve.args(["--listen", address, "--index"]).arg(corpora_index());
        let (code, out, error) = text(run(&mut serve));
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains("LECTERN_TOKEN") && error.contains("auth = \"none\""), "{error}");
    }
    let mut both = command("lectern-serve");
    both.args(["--set", "serve.auth=none", "--listen", "127.0.0.1:0"]).env("LECTERN_TOKEN", TOKEN);
    let (code, _, error) = text(run(&mut both));
    assert!(code == 2 && error.contains("remove one") && !error.contains(TOKEN), "{error}");
}

#[tokio::test]
async fn an_address_that_is_meant_to_be_open_is_served() {
    let mut serve = command("lectern-serve");
    serve.args(["--listen", "0.0.0.0:0", "--set", "serve.auth=none", "--index"]).arg(corpora_index());
    let server = Server::spawn(serve);
    let health =
        reqwest::get(server.url("/health").replace("0.0.0.0", "127.0.0.1")).await.expect("a response");
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_until_they_are_allowed() {
    let body = initialize("2025-11-25").to_string();
    let status = async |server: &Server, headers: &[(&str, &str)]| {
        post(server, headers, body.clone()).await.status().as_u16()
    };
    let foreign_host = [("host", "docs.example.com")];
    let foreign_page = [("origin", "https://app.example.com")];

    let server = Server::start(corpora_index());
    assert_eq!(status(&server, &foreign_host).await, 403);
    assert_eq!(status(&server, &foreign_page).await, 403);
    for local in ["http://localhost:6274", "http://127.0.0.1", "http://[::1]:3000"] {
        assert_eq!(status(&server, &[("origin", local)]).await, 200, "{local}");
    }
    let settings = [
        "--set",
        "serve.allowed_hosts=[\"docs.example.com\"]",
        "--set",
        "serve.allowed_origins=[\"https://app.example.com:443\"]",
    ];
    let server = Server::with(corpora_index(), &settings, &HashMap::new());
    assert_eq!(status(&server, &foreign_host).await, 200);
    assert_eq!(status(&server, &foreign_page).await, 200);
    assert_eq!(status(&server, &[("host", "other.example.com")]).await, 403);
    assert_eq!(status(&server, &[("origin", "https://other.example.com")]).await, 403);
}

#[tokio::test]
async fn browsers_are_told_which_pages_may_call() {
    let allow = ["--set", "serve.allowed_origins=[\"https://app.example.com\"]"];
    let server = Server::with(corpora_index(), &allow, &HashMap::from([("LECTERN_TOKEN", TOKEN)]));
    let asked = "authorization, content-type, mcp-protocol-version, mcp-method, mcp-name";
    let preflight = async |origin: &str| {
        let request = reqwest::Client::new().request(reqwest::Method::OPTIONS, server.url("/mcp"));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.header("access-control-request-headers", asked).send().await.expect("a response")
    };
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().expect("text").to_lowercase())
    };
    for origin in ["https://app.example.com", "http://localhost:6274"] {
        // Before a browser sends the token, it asks without.
        let response = preflight(origin).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "access-control-allow-origin").as_deref(), Some(origin));
        let allowed = header(&response, "access-control-allow-headers").expect("headers");
        let allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
        assert!(asked.split(", ").all(|name| allowed.contains(&name)), "{allowed:?}");
        let body = initialize("2025-11-25").to_string();
        let bearer = format!("Bearer {TOKEN}");
        let response = post(&server, &[("origin", origin), ("authorization", &bearer)], body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "access-control-allow-origin").as_deref(), Some(origin));
        let exposed = header(&response, "access-control-expose-headers").expect("headers");
        assert!(exposed.contains("mcp-session-id") && exposed.contains("mcp-protocol-version"), "{exposed}");
    }
    for origin in ["https://other.example.com", "https://app.example.com:8443", "null"] {
        assert_eq!(header(&preflight(origin).await, "access-control-allow-origin"), None, "{origin}");
    }
    // What platforms check has no names to go by.
    for path in ["/health", "/livez", "/"] {
        let request = reqwest::Client::new().get(server.url(path)).header("host", "10.0.0.7");
        assert_eq!(request.send().await.expect("a response").status(), StatusCode::OK, "{path}");
    }
}
