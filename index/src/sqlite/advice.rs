//! What to do about what SQLite says.

/// What SQLite said, and what to do about it where that is known; `writes` tells whether the file was
/// to be written.
pub fn with_advice(said: &str, writes: bool) -> String {
    // A database in WAL mode without its log can be opened only by who may make one.
    let readers = "it and its -wal and -shm files must be there and readable; where those two are missing, \
                      as after another program had it open, the next `lectern-ingest sync` puts them back";
    let advice = [
        ("disk is full", "free some space and run the sync again: nothing is lost"),
        ("readonly", if writes { "check the permissions of the file and its folder" } else { readers }),
        ("unable to open", if writes { "check that its folder exists and can be written" } else { readers }),
        ("locked", "another program holds it: end that program, or wait and try again"),
        ("malformed", "restore a backup, or move it away with its -wal and -shm files and sync again"),
        ("not a database", "move it away with its -wal and -shm files, or choose another with --index"),
        (
            "disk I/O error",
            "check that the disk is not full, gone or failing, and that temporary files can be written: SQLITE_TMPDIR names a folder for them",
        ),
    ];
    let next = advice.iter().find(|(part, _)| said.contains(part));
    next.map_or_else(|| said.to_owned(), |(_, next)| format!("{said} ({next})"))
}
