//! OpenAI in miniature, and what it must be like for tests to be built on it.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod client;
mod faults;
pub mod hybrid;
mod limits;
pub mod miniature;
mod shape;

pub use hybrid::Hybrid;
pub use miniature::{Fault, Miniature, RateLimit, vector};
