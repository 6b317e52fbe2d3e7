//! `lectern-serve`, asked from outside.

mod access;
mod budgets;
mod client;
mod commands;
mod crates;
pub(crate) mod embedding;
mod generations;
mod http;
mod outline;
mod readonly;
mod stdio;
mod tools;
