//! One writer at a time: a lock of the operating system on a file beside the index. It dies with its
//! process, so a sync after a kill just runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::exit::{Exit, Failure};

/// Held while an index is written.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock of the index at `index`, at once or not at all: exit code 7 where another
    /// process holds it.
    pub fn take(index: &Path) -> Result<Self, Failure> {
        let mut name = index.as_os_str().to_owned();
        name.push(".lock");
        let cannot = |error: std::io::Error| {
            let advice = "check that its folder exists and can be written";
            Failure::new(
                Exit::IndexDown,
                format!("the index at {} cannot be locked: {error} ({advice})", index.display()),
            )
        };
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&name);
        let file = file.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                Exit::Locked,
                format!(
                    "another lectern-ingest is writing the index at {}: wait for it to end, then try again",
                    index.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// The name of whoever has this file, the same each time: it stands in the file.
    pub fn holder(&self) -> std::io::Result<String> {
        let mut name = String::new();
        (&self.0).rewind()?;
        (&self.0).read_to_string(&mut name)?;
        if name.trim().is_empty() {
            name = uuid::Uuid::now_v7().to_string();
            (&self.0).write_all(name.as_bytes())?;
            self.0.sync_all()?;
        }
        Ok(name.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_to_wait_and_the_third_gets_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let index = folder.path().join("lectern.db");
        let first = Lock::take(&index).expect("nobody holds it");
        assert_eq!(Lock::take(&index).expect_err("the first holds it").exit, Exit::Locked);
        let name = first.holder().expect("a name");
        drop(first);
        let again = Lock::take(&index).expect("nobody holds it any more");
        assert_eq!(again.holder().expect("a name"), name);
    }
}
