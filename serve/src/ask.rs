//! `lectern-serve ask`: one `search_docs` call to a running server, in MCP, as any client makes it.
//!
//! For the demo and for operators: it shows that address, token, protocol and index work together.
//! One POST of revision 2026-07-28, which needs no handshake; HTTP/1.0, so that the answer comes in
//! one piece and ends with the connection. No TLS: behind a proxy, ask the server itself.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::arguments::SearchArguments;

/// The revision of MCP that is spoken.
const REVISION: &str = "2026-07-28";
const TOOL: &str = "search_docs";

/// Longer than a server takes to give a call up by default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// No answer is this large; what is larger comes from something else.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Where to ask, parsed from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
    path: String,
}

/// A URL that cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} cannot be asked: use http://HOST:PORT/mcp (behind a proxy with TLS, ask the server itself)")]
pub struct BadUrl(String);

impl Endpoint {
    /// Parses `http://HOST[:PORT][/PATH]`; the path is `/mcp` where there is none.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '#' | '?');
        if authority.is_empty() || rest.contains(odd) {
            return Err(bad());
        }
        let path = if path.len() > 1 { path } else { "/mcp" };
        Ok(Self { authority: authority.into(), path: path.into() })
    }

    /// Host and port to connect to.
    fn address(&self) -> String {
        let behind_brackets = self.authority.rsplit(']').next().unwrap_or_default();
        if behind_brackets.contains(':') { self.authority.clone() } else { format!("{}:80", self.authority) }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The text block.
    pub text: String,
    /// The structured content.
    pub structured: Value,
}

/// Asks the server at `endpoint`.
pub async fn ask(
    endpoint: &Endpoint,
    arguments: &SearchArguments,
    token: Option<&SecretString>,
) -> anyhow::Result<Reply> {
    let request = request(endpoint, arguments, token)?;
    let response = tokio::time::timeout(TIMEOUT, exchange(endpoint, &request))
        .await
        .with_context(|| format!("{endpoint} did not answer within {} s", TIMEOUT.as_secs()))??;
    reply(&response).with_context(|| format!("{endpoint} did not answer the question"))
}

async fn exchange(endpoint: &Endpoint, request: &str) -> anyhow::Result<Vec<u8>> {
    let stream = TcpStream::connect(endpoint.address()).await;
    let mut stream = stream.with_context(|| {
        format!("nothing answers at {endpoint}: start lectern-serve there, or say where it is with --url")
    })?;
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut response).await?;
    Ok(response)
}

/// The whole request.
fn request(
    endpoint: &Endpoint,
    arguments: &SearchArguments,
    token: Option<&SecretString>,
) -> anyhow::Result<String> {
    let mut arguments = serde_json::to_value(arguments)?;
    if let Value::Object(arguments) = &mut arguments {
        arguments.retain(|_, value| !value.is_null());
    }
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": TOOL,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {
                    "name": "lectern-serve ask",
                    "version": env!("CARGO_PKG_VERSION"),
                },
            },
        },
    })
    .to_string();
    let mut request = format!(
        "POST {} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {REVISION}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {TOOL}\r\nContent-Length: {}\r\n",
        endpoint.path,
        endpoint.authority,
        body.len()
    );
    if let Some(token) = token {
        write!(request, "Authorization: Bearer {}\r\n", token.expose_secret())?;
    }
    request.push_str("\r\n");
    request.push_str(&body);
    Ok(request)
}

/// Reads the answer out of a response; every other outcome is an error that says what to do.
fn reply(response: &[u8]) -> anyhow::Result<Reply> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").context("that is not HTTP")?;
    let head = String::from_utf8_lossy(&response[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status != "401", "it wants a bearer token: set LECTERN_TOKEN to the one it was started with");
    let Ok(answer) = serde_json::from_slice::<Value>(&response[end + 4..]) else {
        let said = String::from_utf8_lossy(&response[end + 4..]);
        let said: String = said.trim().chars().take(200).collect();
        bail!("status {status}, no JSON: {said}");
    };
    if let Some(message) = answer["error"]["message"].as_str() {
        bail!("{message}");
    }
    let result = &answer["result"];
    let text = result["content"][0]["text"]
        .as_str()
        .with_context(|| format!("status {status}, no result of a tool"))?;
    ensure!(result["isError"] != true, "{text}");
    Ok(Reply { text: text.to_owned(), structured: result["structuredContent"].clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        for (url, address, shown) in [
            ("http://127.0.0.1:8080/mcp", "127.0.0.1:8080", "http://127.0.0.1:8080/mcp"),
            ("http://localhost:8080", "localhost:8080", "http://localhost:8080/mcp"),
            ("http://[::1]:9/", "[::1]:9", "http://[::1]:9/mcp"),
            ("http://[::1]/x/mcp", "[::1]:80", "http://[::1]/x/mcp"),
            ("http://docs.example.com/mcp", "docs.example.com:80", "http://docs.example.com/mcp"),
        ] {
            let endpoint = Endpoint::parse(url).expect("a good URL");
            assert_eq!((endpoint.address().as_str(), endpoint.to_string().as_str()), (address, shown));
        }
        for url in ["https://x/mcp", "localhost:8080", "http:///mcp", "http://x/\r\nA: b", "http://u@x/", ""]
        {
            assert!(Endpoint::parse(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn the_request_is_one_tool_call_with_its_token() {
        let endpoint = Endpoint::parse("http://localhost:1/mcp").expect("a good URL");
        let arguments =
            SearchArguments { query: "ü?".into(), max_tokens: Some(300), ..SearchArguments::default() };
        let token = SecretString::from("secret");
        let request = request(&endpoint, &arguments, Some(&token)).expect("a request");
        let (head, body) = request.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains("\r\nAuthorization: Bearer secret"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["params"]["arguments"], json!({"query": "ü?", "max_tokens": 300}));
    }

    #[test]
    fn answers_are_read_and_failures_say_what_to_do() {
        let with = |status: &str, body: &str| {
            reply(format!("HTTP/1.1 {status}\r\nX: y\r\n\r\n{body}").as_bytes())
                .map_err(|error| error.to_string())
        };
        let good = with(
            "200 OK",
            r#"{"result":{"content":[{"type":"text","text":"a"}],"structuredContent":{"x":1}}}"#,
        );
        assert_eq!(good, Ok(Reply { text: "a".into(), structured: json!({"x": 1}) }));
        for (status, body, says) in [
            ("401 Unauthorized", "no", "LECTERN_TOKEN"),
            ("404 Not Found", "nothing here", "status 404, no JSON: nothing here"),
            ("400 Bad Request", r#"{"error":{"code":-32020,"message":"bad header"}}"#, "bad header"),
            ("200 OK", r#"{"result":{"content":[{"text":"use 1 to 50"}],"isError":true}}"#, "use 1 to 50"),
        ] {
            let error = with(status, body).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
        assert!(reply(b"SSH-2.0").is_err());
    }
}
