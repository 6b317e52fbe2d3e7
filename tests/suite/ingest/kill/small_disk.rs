//! A disk that is too small.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for anything a test does, in bytes.
const LARGE: u64 = 256 << 20;

/// The file system of an index, with as much room as is wanted: one in memory where this user may
/// mount it, else the limit on the size of files that a process can be given.
pub(super) struct SmallDisk {
    folder: PathBuf,
    mounted: bool,
}

impl SmallDisk {
    /// Of the folder that holds an index and nothing else. What is in it stays there.
    pub(super) fn mount(folder: &Path) -> Self {
        let size = format!("size={LARGE}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("no file system may be mounted: a limit on the size of files takes its place");
        }
        Self { folder: folder.to_owned(), mounted }
    }

    /// Bytes of all files in it.
    pub(super) fn used(&self) -> u64 {
        self.sizes().iter().sum()
    }

    fn sizes(&self) -> Vec<u64> {
        let files = std::fs::read_dir(&self.folder).expect("a folder").flatten();
        files.map(|file| file.metadata().map_or(0, |file| file.len())).collect()
    }

    /// What `command` does, with this many bytes of room.
    pub(super) fn with_room(&self, bytes: u64, command: &Command) -> Command {
        let mut limited = Command::new("sh");
        if self.mounted {
            self.resize(self.used() + bytes);
            limited.args(["-c", "exec \"$0\" \"$@\""]);
        } else {
            let largest = self.sizes().into_iter().max().unwrap_or(0);
            let blocks = (largest + bytes) / 512;
            limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        }
        limited.arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(variable, value),
                None => limited.env_remove(variable),
            };
        }
        limited.current_dir(command.get_current_dir().expect("a folder"));
        limited
    }

    /// Makes it large.
    pub(super) fn make_room(&self) {
        if self.mounted {
            self.resize(LARGE);
        }
    }

    /// Sizes are whole pages; what is there already stays, however small.
    fn resize(&self, bytes: u64) {
        let size = format!("remount,size={}", bytes.next_multiple_of(4096));
        let output = Command::new("mount").args(["-o", &size]).arg(&self.folder).output();
        let output = output.expect("mount runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // What is still open keeps it until it ends.
            let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
    }
}
