//! Runs the real programs: real processes, sockets, files.

mod programs;
mod serve;
