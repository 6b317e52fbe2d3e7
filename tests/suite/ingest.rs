//! `lectern-ingest`, run from outside.

pub(crate) mod canary;
pub(crate) mod daemon;
pub(crate) mod embedding;
mod exits;
mod hostile;
pub(crate) mod kill;
mod mend;
mod readonly;
mod rebuild;
mod survive;
mod sync;
pub(crate) mod workspace;
