//! Keeps an index of Markdown documentation fresh: everything that writes.

pub mod chunk;
pub mod describe;
pub mod front_matter;
pub mod parse;
pub mod prepare;
