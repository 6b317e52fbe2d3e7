//! A repository's archive (`.tar.gz`), read while it arrives: files of a wanted size are given out,
//! everything else goes by.
//!
//! The archive's **names are never used**. What a file is, is decided by the SHA-1 of its content,
//! so an entry called `../../etc/passwd` is as harmless as any other, and what the archive changed
//! (export-subst) or left out (export-ignore) is simply not found in it.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::Archive;

/// What an archive may be at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes it unpacks to.
    pub(super) bytes: u64,
    /// Entries.
    pub(super) entries: u64,
    /// Bytes it unpacks to for each packed one, once it has unpacked to [`RATIO_FROM`]. Documentation
    /// packs 3 to 20 times, gzip allows 1,032.
    pub(super) ratio: u64,
}

/// Below this many bytes the ratio does not matter: no harm is done.
const RATIO_FROM: u64 = 64 * 1024 * 1024;

/// Why an archive was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// It is larger than anything meant well.
    #[error("{0}")]
    Bomb(String),
    /// It was cut, or is none.
    #[error("{0}")]
    Broken(String),
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Exceeded(String);

/// Reads an archive. `wanted` is asked with the size of each file, whether its content should be
/// given to `found`; `found` answers whether to go on.
pub(super) fn read(
    packed: impl Read,
    bounds: Bounds,
    wanted: impl Fn(u64) -> bool,
    mut found: impl FnMut(Vec<u8>) -> bool,
) -> Result<(), ArchiveError> {
    let count = Rc::new(Cell::new(0));
    let packed = Counted { inner: packed, count: count.clone() };
    let unpacked = Bounded { inner: MultiGzDecoder::new(packed), packed: count, bytes: 0, bounds };
    let mut archive = Archive::new(unpacked);
    // Raw: names spread over several entries would be put together in memory, whatever their length.
    let entries = archive.entries().map_err(sorted)?.raw(true);
    for (number, entry) in entries.enumerate() {
        if number as u64 >= bounds.entries {
            return Err(ArchiveError::Bomb(format!("it has more than {} entries", bounds.entries)));
        }
        let entry = entry.map_err(sorted)?;
        let size = entry.header().entry_size().map_err(sorted)?;
        if !entry.header().entry_type().is_file() || !wanted(size) {
            continue;
        }
        let mut content = Vec::with_capacity(size as usize);
        entry.take(size).read_to_end(&mut content).map_err(sorted)?;
        if content.len() as u64 != size {
            return Err(ArchiveError::Broken("it ends within a file".into()));
        }
        if !found(content) {
            return Ok(());
        }
    }
    Ok(())
}

fn sorted(error: io::Error) -> ArchiveError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Exceeded>()) {
        Some(Exceeded(reason)) => ArchiveError::Bomb(reason.clone()),
        // tar wraps the errors of its reader in errors of its own.
        None if error.to_string().contains(BOMB) => ArchiveError::Bomb(error.to_string()),
        None => ArchiveError::Broken(error.to_string()),
    }
}

const BOMB: &str = "it unpacks to more than";

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

struct Bounded<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    bytes: u64,
    bounds: Bounds,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        let Bounds { bytes, ratio, .. } = self.bounds;
        if self.bytes > bytes {
            return Err(io::Error::other(Exceeded(format!("{BOMB} {bytes} bytes"))));
        }
        if self.bytes > RATIO_FROM && self.bytes / ratio > self.packed.get() {
            return Err(io::Error::other(Exceeded(format!("{BOMB} {ratio} times its size"))));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
