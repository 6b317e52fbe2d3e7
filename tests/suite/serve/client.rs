//! An MCP client, and raw requests for what no client would send.

use reqwest::Response;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::programs::Server;

/// A connected client.
pub(super) type Client = RunningService<RoleClient, ()>;

/// Connects as clients up to 2025-11-25 do.
pub(super) async fn connect(server: &Server) -> Client {
    ().serve(StreamableHttpClientTransport::from_uri(server.url("/mcp"))).await.expect("a connection")
}

/// Connects as clients since 2026-07-28 do.
pub(super) async fn connect_modern(server: &Server) -> Client {
    let transport = StreamableHttpClientTransport::from_uri(server.url("/mcp"));
    let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    serve_client_with_lifecycle((), transport, lifecycle).await.expect("a connection")
}

/// Connects with a token.
pub(super) async fn connect_with(server: &Server, token: &str) -> Result<Client, String> {
    let config = StreamableHttpClientTransportConfig::with_uri(server.url("/mcp")).auth_header(token);
    ().serve(StreamableHttpClientTransport::from_config(config)).await.map_err(|error| error.to_string())
}

/// Calls a tool.
pub(super) async fn call(client: &Client, tool: &str, arguments: Value) -> CallToolResult {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    client.call_tool(request).await.expect("an answer")
}

/// Calls a tool that answers: its structured content and its text.
pub(super) async fn ask(client: &Client, tool: &str, arguments: Value) -> (Value, String) {
    let result = call(client, tool, arguments).await;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    let text = text(&result);
    (result.structured_content.expect("structured content"), text)
}

/// Calls a tool that refuses: why.
pub(super) async fn refusal(client: &Client, tool: &str, arguments: Value) -> String {
    let result = call(client, tool, arguments).await;
    assert_eq!(result.is_error, Some(true), "{result:?}");
    text(&result)
}

fn text(result: &CallToolResult) -> String {
    let [block] = result.content.as_slice() else { panic!("one block, not {:?}", result.content) };
    block.as_text().expect("a text block").text.clone()
}

/// Posts a body to `/mcp` as it is.
pub(super) async fn post(server: &Server, headers: &[(&str, &str)], body: impl Into<String>) -> Response {
    let mut request = reqwest::Client::new().post(server.url("/mcp")).body(body.into());
    let mut given: Vec<(&str, &str)> = headers.to_vec();
    for default in [("content-type", "application/json"), ("accept", "application/json, text/event-stream")] {
        if !given.iter().any(|(name, _)| name.eq_ignore_ascii_case(default.0)) {
            given.push(default);
        }
    }
    for (name, value) in given {
        request = request.header(name, value);
    }
    request.send().await.expect("a response")
}

/// An `initialize` request.
pub(super) fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}})
}
