//! `lectern-ingest`, run from outside.

mod daemon;
mod embedding;
mod exits;
mod hostile;
mod kill;
mod mend;
mod rebuild;
mod survive;
mod sync;
pub(crate) mod workspace;
