//! When runs are due.
