//! Keeps the `-wal` and `-shm` files when the last connection closes.
//!
//! Without them a reader that cannot write to the folder cannot open a WAL database at all
//! (<https://www.sqlite.org/wal.html#readonly>), and serve is such a reader.
#![allow(unsafe_code)]

use std::ffi::c_int;

use libsqlite3_sys::{SQLITE_FCNTL_PERSIST_WAL, SQLITE_OK, sqlite3_file_control};
use sqlx::SqliteConnection;

/// Sets `SQLITE_FCNTL_PERSIST_WAL` for this connection
/// (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlpersistwal>).
pub(super) async fn set(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    let mut on: c_int = 1;
    // SAFETY: the handle is locked, so it is open and used by nobody else; "main" is a C string and
    // `on` lives until the call returns, which is all that this opcode needs.
    let code = unsafe {
        sqlite3_file_control(
            handle.as_raw_handle().as_ptr(),
            c"main".as_ptr(),
            SQLITE_FCNTL_PERSIST_WAL,
            (&raw mut on).cast(),
        )
    };
    if code == SQLITE_OK {
        Ok(())
    } else {
        Err(sqlx::Error::Protocol(format!("SQLite refused to keep the WAL: {code}")))
    }
}
