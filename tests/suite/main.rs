//! Runs the real programs: real processes, sockets, files.

mod ingest;
mod programs;
mod serve;
