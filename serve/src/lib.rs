//! Answers MCP searches on a Lectern index, and nothing else: no code here can change one.
//!
//! One call goes [`arguments`] → [`search`] / [`fetch`] / [`list`] / [`status`] → [`answer`] (the
//! structured content) → [`render`] (the text block). [`budget`], [`cursor`], [`passage`],
//! [`outline`], [`message`] and [`render`] are pure. [`mcp`] speaks the protocol, over [`http`] or [`stdio`].

pub mod answer;
pub mod arguments;
pub mod ask;
pub mod auth;
pub mod budget;
pub mod cli;
pub mod cursor;
mod embed;
#[cfg(test)]
mod fake;
pub mod fetch;
pub mod health;
pub mod healthcheck;
pub mod http;
pub mod list;
pub mod mcp;
pub mod message;
pub mod metrics;
pub mod origins;
pub mod outline;
pub mod passage;
pub mod query;
pub mod render;
pub mod search;
pub mod status;
pub mod stdio;
