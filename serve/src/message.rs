//! What a client sends, checked: a message of the protocol, or the error it is answered with. Pure.

use rmcp::model::{ClientJsonRpcMessage, ErrorData, RequestId};
use serde_json::Value;

/// Why something is no message.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The id it gave itself, if that can be told.
    pub id: Option<RequestId>,
    /// What is wrong.
    pub error: ErrorData,
    /// Whether nobody waits for an answer: it is a notification, or an answer itself.
    pub unasked: bool,
}

/// Reads one message: UTF-8, JSON, JSON-RPC 2.0, MCP.
pub fn parse(bytes: &[u8]) -> Result<ClientJsonRpcMessage, Refusal> {
    let no_json = |reason: String| {
        let error = ErrorData::parse_error(format!("this is not JSON: {reason}"), None);
        Refusal { id: None, error, unasked: false }
    };
    let text = std::str::from_utf8(bytes).map_err(|error| no_json(error.to_string()))?;
    // RFC 8259 lets readers ignore a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text).map_err(|error| no_json(error.to_string()))?;
    serde_json::from_str(text).map_err(|_| {
        let message = match value {
            Value::Array(_) => "batches are not supported: send one message at a time",
            _ => "this is no JSON-RPC 2.0 message of MCP",
        };
        let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
        let answer = value.get("result").or(value.get("error")).is_some();
        let notification = value.get("method").is_some_and(Value::is_string) && value.get("id").is_none();
        Refusal { id, error: ErrorData::invalid_request(message, None), unasked: answer || notification }
    })
}

#[cfg(test)]
mod tests {
    use rmcp::model::ErrorCode;

    use super::*;

    #[test]
    fn messages_are_read() {
        for good in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/unheard-of","params":{}}"#,
        ] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_none_is_answered_with_its_id_and_a_code() {
        let (syntax, request) = (ErrorCode::PARSE_ERROR, ErrorCode::INVALID_REQUEST);
        for (bad, code, id, unasked) in [
            (&b"{this is not json"[..], syntax, None, false),
            (b"", syntax, None, false),
            (b"\"\xff\"", syntax, None, false),
            (b"{\"id\":1,\"x\":\"\xff\"}", syntax, None, false),
            (b"[]", request, None, false),
            (b"5", request, None, false),
            (br#"{"id":7}"#, request, Some(RequestId::Number(7)), false),
            (br#"{"id":7,"method":"ping"}"#, request, Some(RequestId::Number(7)), false),
            (br#"{"method":"ping"}"#, request, None, true),
            (br#"{"error":"what?"}"#, request, None, true),
        ] {
            let refusal = parse(bad).expect_err("no message");
            let text = String::from_utf8_lossy(bad);
            assert_eq!((refusal.error.code, refusal.id, refusal.unasked), (code, id, unasked), "{text}");
        }
    }
}
