//! One writer at a time: a lock of the operating system on a file beside the index. It dies with its
//! process, so a sync after a kill just runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
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

    /// The name of whoever has this lock, the same for each process that takes it after another: the
    /// file, and the boot of the system that keeps the lock. A copy of the file has another name, and
    /// so has the same file on another machine, where the lock says nothing about this one.
    pub fn holder(&self) -> std::io::Result<String> {
        let file = self.0.metadata()?;
        Ok(match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(boot) => format!("{}:{}:{}", boot.trim(), file.dev(), file.ino()),
            // Nobody's: what a killed process held ends by itself.
            Err(_) => uuid::Uuid::now_v7().to_string(),
        })
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
        if cfg!(target_os = "linux") {
            assert_eq!(again.holder().expect("a name"), name);
        }
        let copy = folder.path().join("copy.db");
        std::fs::copy(folder.path().join("lectern.db.lock"), folder.path().join("copy.db.lock"))
            .expect("a copy");
        let copy = Lock::take(&copy).expect("nobody holds it");
        assert_ne!(copy.holder().expect("a name"), name);
    }
}
