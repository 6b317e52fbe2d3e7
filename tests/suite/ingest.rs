//! `lectern-ingest`, run from outside.

mod canary;
mod daemon;
mod embedding;
mod exits;
mod hostile;
pub(crate) mod kill;
mod mend;
mod readonly;
mod rebuild;
mod survive;
mod sync;
pub(crate) mod workspace;
