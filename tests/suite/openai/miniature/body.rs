//! Sending an answer piece by piece, so that what was not sent to its end is not counted.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream;

use super::answer::text;
use super::count::Flight;
use super::{Answer, Fault};

/// Bytes sent at once.
const PIECE: usize = 64 * 1024;

/// An answer on its way.
struct Sending {
    rest: Bytes,
    cut: bool,
    answered: Vec<String>,
    flight: Flight,
}

/// The response that sends an answer, or as much of it as a fault allows.
pub fn send(answer: Answer, headers: HeaderMap, fault: Option<Fault>, flight: Flight) -> Response {
    let body = Bytes::from(answer.body.to_string());
    let end = match fault {
        Some(Fault::CutAfterHeaders) => 0,
        Some(Fault::CutInBody) => body.len() / 2,
        _ => body.len(),
    };
    let content_type = match fault {
        Some(Fault::ContentType(other)) => other,
        _ => "application/json",
    };
    let sending =
        Sending { rest: body.slice(..end), cut: end < body.len(), answered: answer.answered, flight };
    let pieces = stream::unfold(sending, |mut sending| async {
        if !sending.rest.is_empty() {
            let piece = sending.rest.split_to(PIECE.min(sending.rest.len()));
            return Some((Ok(piece), sending));
        }
        if sending.cut {
            // So that what came before is on its way when the connection ends.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Some((Err(std::io::Error::other("cut")), sending));
        }
        sending.flight.land(&sending.answered);
        None
    });
    let mut response = text(200, content_type, Body::from_stream(pieces));
    response.headers_mut().extend(headers);
    response
}
