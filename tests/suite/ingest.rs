//! `lectern-ingest`, run from outside.

mod daemon;
mod exits;
mod hostile;
mod kill;
mod mend;
mod rebuild;
mod survive;
mod sync;
mod workspace;

pub(crate) use workspace::Workspace;
