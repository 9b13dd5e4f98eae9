//! How the process ends: exit codes are promises to scripts.

use std::process::ExitCode;

/// The exit codes. Where several hold, the one that comes first in the order 2, 5, 6, 4, 3, 1 wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Complete, sealed, stored.
    Done,
    /// Findings at or over `--fail-on`.
    Findings,
    /// Usage or config.
    Usage,
    /// Sealed and stored, but with gaps.
    Partial,
    /// Kept in the spool: the store or the key service is away.
    Spooled,
    /// Verification failed.
    Verification,
    /// Nothing could be read at all.
    Nothing,
    /// Somebody asked to stop (Ctrl-C, SIGTERM).
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Spooled => 4,
            Self::Verification => 5,
            Self::Nothing => 6,
            Self::Interrupted => 130,
        }
    }

    /// The one that counts where both hold.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Interrupted | Self::Usage => 0,
            Self::Verification => 1,
            Self::Nothing => 2,
            Self::Spooled => 3,
            Self::Partial => 4,
            Self::Findings => 5,
            Self::Done => 6,
        };
        if rank(other) < rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends a command with its own exit code; everything else is a usage error.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Ended {
    /// The code.
    pub(crate) exit: Exit,
    /// What, where, and what to do next.
    pub(crate) message: String,
}

impl Ended {
    /// An error with its code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit::{Done, Findings, Nothing, Partial, Spooled, Usage, Verification};

    #[test]
    fn the_order_is_the_promised_one() {
        let order = [Usage, Verification, Nothing, Spooled, Partial, Findings, Done];
        for (index, first) in order.iter().enumerate() {
            for second in &order[index..] {
                assert_eq!(first.or(*second), *first);
                assert_eq!(second.or(*first), *first);
            }
        }
        assert_eq!(order.map(super::Exit::code), [2, 5, 6, 4, 3, 1, 0]);
    }
}
