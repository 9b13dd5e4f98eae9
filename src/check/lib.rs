//! Judging: what a check is, its CEL program, and the verdicts it gives.
//!
//! # Three values
//!
//! A field of a resource is absent, read or unread, and unread must never leak into a verdict:
//!
//! - Each thing that a program reads (`resource.f`, `key.f`) is a variable of its own: bound to its value when it was
//!   read, to null when it is absent, and not bound at all when it is unread. Using an unbound variable is an error.
//! - CEL absorbs errors as three-valued logic does: `false && error` is false, `true || error` is true, on either side,
//!   and so do `all` and `exists`. Any error that is left makes the verdict `unknown`.
//! - `because` lists what the program reads and nobody could tell. If everything was read, the check itself is at
//!   fault: [`is_defect`] says so, and a run that has such findings is not complete.
//! - `applies` comes first: false is `not_applicable`, unknown is `unknown`, whatever `pass` says.
//! - `when_absent` names a verdict for a nullable field that the deciding program reads. Once the question arises, an
//!   absent field with a verdict decides before the program is asked; where several are absent, fail goes before
//!   not applicable, and that before pass. In `applies`, which sees null, it decides only where the program has no
//!   answer. While such a field is unread, a verdict stands only if its absence would give the same.
//!   In a population, pass and fail speak of the good and the bad case, also for `none`.
//! - Populations count what holds, what does not and what is unknown, and settle only what holds either way. A planned
//!   cell that is not complete may hide any number of resources.
//! - A join that finds nothing is null only if all cells of the right-hand kind in its reach are complete.
//!
//! # Use
//!
//! ```
//! use evidenced_check::{Judge, Library, Settings};
//! use evidenced_model::{Coverage, Resource, Scope};
//! use std::sync::Arc;
//!
//! let kind = r#"
//! kind: aws.kms.key
//! title: A KMS key
//! span: regional
//! lists: [kms:ListKeys]
//! fields:
//!   rotates: { type: bool, about: it rotates, call: kms:GetKeyRotationStatus }
//! sample: { rotates: true }
//! checks:
//!   - { id: aws.kms.rotation, revision: 1, objective: crypto.keys-rotate, title: It rotates, severity: medium,
//!       pass: resource.rotates, why: It should., fix: Make it rotate. }
//! "#;
//! let files = [("aws.kms.key.yaml".to_owned(), kind.to_owned())];
//! let library = Arc::new(Library::load(files, ("params.yaml".into(), "{}".into())).unwrap());
//! let judge = Judge::compile(&library, Settings::at("2026-01-01T00:00:00Z".parse().unwrap())).unwrap();
//!
//! // While collecting, every resource is shown to the index; then it is closed with the coverage.
//! let index = judge.join_index();
//! let joins = index.seal(&Coverage::default());
//!
//! let scope: Scope = serde_json::from_str(r#"{"provider":"aws","account":"123456789012","region":"eu-west-1"}"#).unwrap();
//! let mut key = Resource::new("aws.kms.key".parse().unwrap(), "1234", scope);
//! key.read("rotates", false);
//!
//! let mut populations = judge.populations();
//! let mut verdicts = Vec::new();
//! judge.judge(&key, &joins, &mut populations, &mut |finding| verdicts.push(finding.verdict));
//! judge.finish(populations, &Coverage::default(), &mut |finding| verdicts.push(finding.verdict));
//! assert_eq!(verdicts, [evidenced_model::Verdict::Fail]);
//! ```

mod cidr;
mod declared;
pub mod definition;
mod error;
mod evaluate;
mod expr;
pub mod filter_pattern;
pub mod functions;
pub mod join;
pub mod judge;
pub mod library;
mod list;
mod nsg;
mod plan;
pub mod policy;
pub mod population;
mod ranges;
pub mod runner;
mod stored;
mod value;

pub use definition::{Check, Examples, Join, KindFile, ParamDecl, Per, Settled, WhenAbsent};
pub use error::{LoadError, SettingsError};
pub use join::{JoinIndex, Joins};
pub use judge::{DEFECT, Judge, Settings, Undeclared, is_defect};
pub use library::{Kind, Library};
pub use population::Populations;
pub use stored::EVALUATOR;
