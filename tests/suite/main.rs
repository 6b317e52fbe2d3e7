//! Runs the real programs: real processes, sockets, files.

mod architecture;
mod deploy;
mod github;
mod ingest;
mod openai;
mod programs;
mod qdrant;
mod serve;
