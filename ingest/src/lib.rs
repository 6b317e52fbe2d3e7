//! Keeps an index of Markdown documentation fresh: everything that writes.
