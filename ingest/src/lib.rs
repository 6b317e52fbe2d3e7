//! Keeps an index of Markdown documentation fresh: everything that writes.

pub mod ledger;
pub mod plan;
pub mod source;
pub mod store;
