//! The vocabulary of Lectern and everything that **reads** its index.
//!
//! Nothing in this crate can change an index: writers live in `lectern-ingest`, so that
//! `lectern-serve`, which depends on this crate alone, has no way to name one.

pub mod analyse;
pub mod chunk;
pub mod citation;
pub mod config;
pub mod document;
pub mod embed;
pub mod fingerprint;
pub mod fuse;
pub mod head;
pub mod made_by;
pub mod markdown;
pub mod open;
pub mod qdrant;
pub mod query;
pub mod search;
pub mod sqlite;
pub mod tokens;
mod vectors;
