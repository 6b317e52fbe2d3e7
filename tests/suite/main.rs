//! Runs the real programs: real processes, sockets, files.

mod architecture;
mod ingest;
mod programs;
mod serve;
