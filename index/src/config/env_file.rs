//! The file `.env`, in the working directory or above it.

use std::io::ErrorKind;

use super::ConfigError;

/// Sets the variables of `.env` that are not set yet, where there is such a file. Call it before any thread
/// is started: it changes the environment.
///
/// Gives a warning where the file may not be read: whoever runs a program as another user may stand in a
/// folder of their own. A line that is no variable is an error, and not repeated: it may hold a secret.
pub fn read_env_file() -> Result<Option<String>, ConfigError> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(None),
        Err(error) if error.not_found() => Ok(None),
        Err(dotenvy::Error::Io(error)) if error.kind() == ErrorKind::PermissionDenied => {
            Ok(Some("the file .env is not read: no permission".into()))
        }
        Err(dotenvy::Error::Io(error)) => Err(ConfigError(format!("the file .env cannot be read: {error}"))),
        Err(_) => Err(ConfigError("the file .env cannot be read: each line has to be NAME=VALUE".into())),
    }
}
