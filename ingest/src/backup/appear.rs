//! A backup appears under its name when it is complete and on disk.

use std::path::{Path, PathBuf};

use super::{beside, remove, sync_folder};
use crate::exit::Failure;

/// Where a backup is written until it is whole. What one that was killed left there is removed.
pub(crate) fn part(file: &Path) -> Result<PathBuf, Failure> {
    if file.exists() {
        let reason = format!("{} exists already: choose another name, or move it away", file.display());
        return Err(Failure::usage(reason));
    }
    let part = beside(file, ".part");
    // SQLite does not write into an existing database, and an old journal would be played back.
    remove(&beside(file, ".part-journal"))?;
    remove(&part)?;
    Ok(part)
}

/// Gives it its name.
pub(crate) fn whole(part: &Path, file: &Path) -> std::io::Result<()> {
    std::fs::File::open(part)?.sync_all()?;
    std::fs::rename(part, file)?;
    sync_folder(file)
}
