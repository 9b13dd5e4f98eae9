//! Judging: what a check is, its CEL program, and the verdicts it gives. (under construction)

mod cidr;
pub mod definition;
mod error;
mod expr;
pub mod filter_pattern;
pub mod functions;
pub mod library;
mod plan;
pub mod policy;
mod value;

pub use definition::{Check, Examples, Join, KindFile, ParamDecl, Per, Settled, WhenAbsent};
pub use error::{LoadError, SettingsError};
pub use library::{Kind, Library};
