//! The transport of standard input and output: one message a line, and every line that is none is
//! answered, as JSON-RPC 2.0 asks. (rmcp's own ignores what is no JSON, and a last line that does
//! not end.)

use std::pin::Pin;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::{AsyncRwTransport, DEFAULT_MAX_LINE_LENGTH};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, Empty, empty};

use crate::message::{self, Refusal};

type Sending = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// Reads lines, writes lines.
pub(super) struct Lines<R, W: AsyncWrite> {
    read: BufReader<R>,
    /// What was read of the line so far: `receive` may be given up and called again at any time.
    line: Vec<u8>,
    /// Whether the rest of a line that is too long is skipped.
    skipping: bool,
    /// The answer to a line that is no message, until it is written.
    answer: Option<Sending>,
    /// rmcp's, for writing.
    write: AsyncRwTransport<RoleServer, Empty, W>,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Lines come from `read` and go to `write`.
    pub(super) fn new(read: R, write: W) -> Self {
        let write = AsyncRwTransport::new_server(empty(), write);
        Self { read: BufReader::new(read), line: Vec::new(), skipping: false, answer: None, write }
    }

    /// The next line, ended or not, but for those that are too long; `None` at the end.
    async fn next(&mut self) -> std::io::Result<Option<Result<Vec<u8>, Refusal>>> {
        loop {
            // Between a piece that was taken and the note of it nothing waits, so none gets lost.
            let piece = self.read.fill_buf().await?;
            if piece.is_empty() {
                let last = std::mem::take(&mut self.line);
                return Ok((!last.is_empty()).then_some(Ok(last)));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(piece.len(), |end| end + 1);
            if !self.skipping {
                self.line.extend_from_slice(&piece[..taken]);
            }
            self.read.consume(taken);
            let skipped = self.skipping;
            self.skipping = end.is_none() && (skipped || self.line.len() > DEFAULT_MAX_LINE_LENGTH);
            if self.line.len() > DEFAULT_MAX_LINE_LENGTH {
                self.line = Vec::new();
                let message = format!("the line is longer than {DEFAULT_MAX_LINE_LENGTH} bytes");
                let error = ErrorData::invalid_request(message, None);
                return Ok(Some(Err(Refusal { id: None, error, unasked: false })));
            }
            if end.is_some() && !skipped {
                return Ok(Some(Ok(std::mem::take(&mut self.line))));
            }
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = std::io::Result<()>> + Send + 'static {
        self.write.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(answer) = &mut self.answer {
                let sent = answer.await;
                self.answer = None;
                sent.ok()?;
            }
            let line = match self.next().await {
                Ok(line) => line?,
                Err(error) => {
                    tracing::error!("standard input cannot be read: {error}");
                    return None;
                }
            };
            let parsed = match line {
                Ok(line) if line.trim_ascii().is_empty() => continue,
                Ok(line) => message::parse(line.trim_ascii()),
                Err(refusal) => Err(refusal),
            };
            match parsed {
                Ok(message) => return Some(message),
                Err(refusal) if refusal.unasked => tracing::debug!("ignored: {}", refusal.error.message),
                Err(Refusal { id, error, .. }) => {
                    let answer = self.write.send(ServerJsonRpcMessage::error(error, id));
                    self.answer = Some(Box::pin(answer));
                }
            }
        }
    }

    async fn close(&mut self) -> std::io::Result<()> {
        self.write.close().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::AsyncReadExt;

    use super::*;

    /// The messages that are received of `input`, and the ids and codes of what is answered at once.
    async fn heard(input: Vec<u8>) -> (usize, Vec<(Value, Value)>) {
        let (write, mut read) = tokio::io::duplex(1 << 16);
        let mut lines = Lines::new(std::io::Cursor::new(input), write);
        let mut messages = 0;
        while lines.receive().await.is_some() {
            messages += 1;
        }
        lines.close().await.expect("it closes");
        drop(lines);
        let mut answered = String::new();
        read.read_to_string(&mut answered).await.expect("text");
        let answers = answered.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        (messages, answers.map(|answer| (answer["id"].clone(), answer["error"]["code"].clone())).collect())
    }

    #[tokio::test]
    async fn every_line_is_a_message_or_is_answered() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let (syntax, request) = ((Value::Null, json!(-32700)), (Value::Null, json!(-32600)));
        assert_eq!(heard(format!("{ping}\r\n\n  \n{ping}").into()).await, (2, vec![]));
        assert_eq!(heard(format!("{{x\n{ping}\n{{").into()).await, (1, vec![syntax.clone(), syntax.clone()]));
        assert_eq!(heard(b"\"\xff\"\n{\"method\":\"x\"}\n".to_vec()).await, (0, vec![syntax]));
        let long = "x".repeat(DEFAULT_MAX_LINE_LENGTH + 1);
        for end in ["\n", "more\n"] {
            assert_eq!(heard(format!("{long}{end}{ping}\n").into()).await, (1, vec![request.clone()]));
        }
    }
}
