//! Keeps an index of Markdown documentation fresh: everything that writes.

pub mod cli;
pub mod exit;
pub mod export;
pub mod history;
pub mod ledger;
pub mod lock;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod report;
pub mod run;
pub mod source;
pub mod status;
pub mod store;
pub mod sync;
pub mod target;
