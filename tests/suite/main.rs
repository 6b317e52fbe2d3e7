//! Real programs, real sockets, real files.

mod github;
