//! MCP over standard input and output: one client, which started this program.
//!
//! Standard output carries protocol and nothing else (invariant 11): logs go to standard error.

use std::future::Future;

use rmcp::ServiceExt;
use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::transport::io::stdio_pipes;
use tokio_util::sync::CancellationToken;

use crate::mcp::Handler;
use lines::Lines;

mod lines;

/// Serves until standard input ends or `stop`.
pub async fn serve(handler: Handler, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let (read, write) = stdio_pipes();
    let service = handler.serve_with_ct(Lines::new(read, write), cancel.clone());
    let session = async {
        match service.await {
            Ok(running) => match running.waiting().await? {
                QuitReason::JoinError(error) => Err(error.into()),
                _ => Ok(()),
            },
            // The client left before it said anything: nothing went wrong here.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
            Err(error) => Err(anyhow::Error::new(error)),
        }
    };
    tokio::pin!(session);
    tokio::select! {
        ended = &mut session => ended,
        () = stop => {
            tracing::info!("stopping");
            cancel.cancel();
            session.await
        }
    }
}
