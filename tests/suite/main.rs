//! Runs the real programs: real processes, sockets, files.

mod github;
mod ingest;
mod programs;
mod serve;
