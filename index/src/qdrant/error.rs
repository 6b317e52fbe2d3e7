//! What went wrong with a call to Qdrant: what kind of trouble it is, and words that name the next step.

use std::time::Duration;

use qdrant_client::QdrantError;

/// What rustls calls a certificate that is no good.
const UNTRUSTED: &str = "InvalidCertificate";

/// What it calls an answer that is not of TLS.
const NO_TLS: &str = "InvalidContentType";

/// What tonic calls an answer that is not of HTTP/2, such as REST's on port 6333.
const NO_HTTP2: &str = "h2 protocol error: http2 error";

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is nothing of that name.
    Missing,
    /// The key does not allow it, or there is none.
    Denied,
    /// It may work later: no answer, no connection, too much to do. With the wait that Qdrant asks for.
    Passing(Option<Duration>),
    /// It will not work, however often it is tried.
    Lasting,
}

/// The kind of trouble that an error is.
pub fn trouble(error: &QdrantError) -> Trouble {
    match error {
        QdrantError::ResourceExhaustedError { retry_after_seconds, .. } => {
            Trouble::Passing(Some(Duration::from_secs(*retry_after_seconds)))
        }
        QdrantError::ResponseError { status }
            if status.message().contains(UNTRUSTED) || status.message().contains(NO_TLS) =>
        {
            Trouble::Lasting
        }
        // The codes of gRPC (https://grpc.io/docs/guides/status-codes/), which the client has no name for.
        QdrantError::ResponseError { status } => match status.code() as i32 {
            5 => Trouble::Missing,
            7 | 16 => Trouble::Denied,
            // What broke on the way is 1, 2, 13 or 14, depending on where it broke; 4 and 8 say it themselves.
            1 | 2 | 4 | 8 | 13 | 14 => Trouble::Passing(None),
            _ => Trouble::Lasting,
        },
        QdrantError::Io(_) => Trouble::Passing(None),
        _ => Trouble::Lasting,
    }
}

/// What happened, and what to do where somebody can.
pub fn reason(error: &QdrantError) -> String {
    let said = match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            status.message().trim().to_owned()
        }
        other => other.to_string(),
    };
    // The client prints a failed connection as a chain of structs: the last of it says what happened.
    let said = match said.split_once("Failed to connect to ") {
        Some((_, rest)) if rest.contains("Connection refused") => "nothing answers there".to_owned(),
        Some((_, rest)) if rest.contains("dns error") => "its host name is not known".to_owned(),
        Some((_, rest)) if rest.contains(UNTRUSTED) => {
            format!(
                "its certificate is not trusted: where your own authority signed it, SSL_CERT_FILE names that authority's certificate ({rest})"
            )
        }
        Some((_, rest)) if rest.contains(NO_TLS) => "it does not speak TLS there: use http://".to_owned(),
        Some((_, rest)) => format!("no connection: {rest}"),
        None if said.contains(NO_HTTP2) => {
            "what answers there does not speak HTTP/2, as gRPC does".to_owned()
        }
        None => said,
    };
    match trouble(error) {
        Trouble::Denied => format!("{said} (check QDRANT_API_KEY)"),
        Trouble::Missing => format!("{said} (check index.url and index.collection)"),
        Trouble::Passing(_) => {
            format!(
                "{said} (check that Qdrant runs and answers gRPC there: port 6334, https:// where it has TLS)"
            )
        }
        Trouble::Lasting => said,
    }
}

/// A payload that is not what it must be.
pub(super) fn damaged(what: impl std::fmt::Display) -> QdrantError {
    QdrantError::ConversionError(format!("{what}: run `lectern-ingest verify`"))
}
