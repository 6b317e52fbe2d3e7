//! Keeps an index of Markdown documentation fresh: everything that writes.

pub mod backup;
pub mod chunk;
pub mod cli;
pub mod command;
pub mod describe;
pub mod exit;
pub mod export;
pub mod front_matter;
pub mod history;
pub mod ledger;
pub mod lock;
pub mod parse;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod prune;
pub mod repair;
pub mod report;
pub mod run;
pub mod source;
pub mod status;
pub mod store;
pub mod sync;
pub mod target;
pub mod verify;
