//! What can be wrong with a schedule.

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The cron expression is none.
    #[error("{expression:?} is no cron expression: {what}; e.g. \"0 0 * * * *\" (seconds first) or \"0 * * * *\"")]
    Cron {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        what: String,
    },
    /// The expression names no moment that is still to come.
    #[error("{expression:?} is never due")]
    Never {
        /// The expression.
        expression: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone {zone:?}; name one of the IANA's, e.g. Europe/Berlin or UTC")]
    Zone {
        /// What was named.
        zone: String,
    },
}
