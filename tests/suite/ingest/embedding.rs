//! Embedding with the real program, against an OpenAI in miniature.

mod end;
mod faults;
mod kill;
mod mend;
mod once;
mod refused;
mod summaries;
