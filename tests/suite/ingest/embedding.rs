//! Embedding with the real program, against an OpenAI in miniature.

mod end;
mod faults;
pub(crate) mod kill;
mod mend;
mod once;
mod refused;
pub(crate) mod summaries;
