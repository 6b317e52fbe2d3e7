//! Misbehaviour, as switches.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::{Settings, answer};

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Another status, with headers.
    Status(u16, &'static str, Vec<(&'static str, String)>),
    /// The connection ends in the middle of the body, after this share of it.
    Cut(f64),
    /// Nothing comes for so long.
    Silent(Duration),
    /// One bit of the body is another.
    Flipped,
    /// Something else than what was asked for.
    Garbage(&'static str),
    /// Somewhere else.
    Redirect(String),
}

pub struct Planned {
    pub matching: String,
    pub times: usize,
    pub fault: Fault,
}

impl Settings {
    /// The fault planned for this request, if any.
    pub fn next_fault(&mut self, path: &str) -> Option<Fault> {
        let planned = self.faults.iter_mut().find(|it| it.times > 0 && path.contains(&it.matching))?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }
}

impl Fault {
    /// What becomes of an answer.
    pub async fn apply(self, response: Response) -> Response {
        match self {
            Self::Status(status, message, headers) => {
                let mut response = answer::error(status, message);
                for (name, value) in headers {
                    let value = HeaderValue::from_str(&value).unwrap();
                    response.headers_mut().insert(HeaderName::from_static(name), value);
                }
                response
            }
            Self::Cut(share) => {
                let (parts, body) = response.into_parts();
                let bytes = to_bytes(body, usize::MAX).await.unwrap();
                let end = (bytes.len() as f64 * share) as usize;
                let pieces = [Ok(bytes.slice(..end)), Err(std::io::Error::other("cut"))];
                // A pause, so that the first piece is on its way before the connection ends.
                let pieces = futures::stream::iter(pieces).enumerate();
                let pieces = futures::StreamExt::then(pieces, |(number, piece)| async move {
                    tokio::time::sleep(Duration::from_millis(50 * number as u64)).await;
                    piece
                });
                Response::from_parts(parts, Body::from_stream(pieces))
            }
            Self::Silent(time) => {
                tokio::time::sleep(time).await;
                response
            }
            Self::Flipped => {
                let (parts, body) = response.into_parts();
                let mut bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
                bytes[0] ^= 1;
                Response::from_parts(parts, Body::from(bytes))
            }
            Self::Garbage(text) => Response::new(Body::from(text)),
            Self::Redirect(to) => answer::redirect(StatusCode::FOUND, &to),
        }
    }
}

use futures::StreamExt as _;
