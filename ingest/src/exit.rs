//! Exit codes: others write programs against them.

use serde::Serialize;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Usage or configuration.
    Usage = 2,
    /// Some documents failed, the rest is published.
    SomeFailed = 3,
    /// A source or the embedding service could not be reached.
    SourceDown = 4,
    /// The index could not be reached.
    IndexDown = 5,
    /// Refused by a guard, nothing published.
    Refused = 6,
    /// Another sync is running.
    Locked = 7,
    /// `verify` found differences.
    Differs = 8,
}

/// Where several apply, the first of these is the one.
const PRECEDENCE: [Exit; 8] = [
    Exit::Usage,
    Exit::IndexDown,
    Exit::Locked,
    Exit::SourceDown,
    Exit::Refused,
    Exit::SomeFailed,
    Exit::Differs,
    Exit::Done,
];

impl Exit {
    /// The code that stands for all of `exits`; [`Exit::Done`] for none.
    pub fn of_all(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let exits: Vec<Exit> = exits.into_iter().collect();
        PRECEDENCE.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
    }

    /// Whether a run that ended so left everything published that could be.
    pub fn is_published(code: u8) -> bool {
        [Exit::Done, Exit::SomeFailed].map(Exit::code).contains(&code)
    }

    /// Whether the daemon tries again before the source is due: not what only somebody can mend,
    /// documents that fail or a source that lost most of them.
    pub fn is_tried_again(code: u8) -> bool {
        !Exit::is_published(code) && code != Exit::Refused.code()
    }

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl Serialize for Exit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

/// An error that ends a command, with its exit code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What happened, where, and what to do next.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// A failure of usage or configuration.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl From<crate::store::WriteError> for Failure {
    fn from(error: crate::store::WriteError) -> Self {
        Self::new(Exit::IndexDown, error)
    }
}

impl From<crate::source::SourceError> for Failure {
    fn from(error: crate::source::SourceError) -> Self {
        Self::new(Exit::SourceDown, error)
    }
}

impl From<lectern_index::search::ReadError> for Failure {
    fn from(error: lectern_index::search::ReadError) -> Self {
        Self::new(Exit::IndexDown, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_2_5_7_4_6_3_applies() {
        let all =
            [Exit::SomeFailed, Exit::Refused, Exit::SourceDown, Exit::Locked, Exit::IndexDown, Exit::Usage];
        for n in 1..=all.len() {
            assert_eq!(Exit::of_all(all[..n].iter().copied()), all[n - 1]);
        }
        assert_eq!(Exit::of_all([]), Exit::Done);
    }
}
