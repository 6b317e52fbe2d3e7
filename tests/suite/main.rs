//! Runs the real programs: real processes, sockets, files.

mod architecture;
mod github;
mod ingest;
mod openai;
mod programs;
mod serve;
