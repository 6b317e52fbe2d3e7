//! GitHub as a source, against a GitHub in miniature: the real program, real HTTP, real git
//! repositories.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod contents;
mod credentials;
mod limits;
mod memory;
mod miniature;
mod misbehaviour;
mod program;
mod repository;
mod requests;
mod walk;
