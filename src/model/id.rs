//! One newtype for each identifier, parsed once at the door.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Declares a string newtype with one rule for its contents.
macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            #[doc = concat!("Parses ", $what, ": ", $rule, ".")]
            pub fn parse(value: impl Into<String>) -> Result<Self, ModelError> {
                let value = value.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&value) {
                    Ok(Self(value.into()))
                } else {
                    Err(ModelError::Id { what: $what, value, rule: $rule })
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ModelError;
            fn try_from(value: String) -> Result<Self, ModelError> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl FromStr for $name {
            type Err = ModelError;
            fn from_str(value: &str) -> Result<Self, ModelError> {
                Self::parse(value)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

fn dotted(value: &str) -> bool {
    value.len() <= 128
        && value.split('.').count() >= 2
        && value.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        })
}

fn word(value: &str) -> bool {
    (1..=63).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn printable(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'\\')
        && value != "."
        && value != ".."
}

string_id!(
    /// A cloud, e.g. `aws`: the first segment of its kinds' and checks' ids.
    Provider, "provider", "lower-case letters, digits and hyphens", word
);
string_id!(
    /// What a provider bills and isolates by: an AWS account, an Azure subscription, a Google project.
    Account, "account", "1 to 256 printable ASCII characters without slashes", printable
);
string_id!(
    /// A provider's region, or one of `global` and `unknown`.
    Region, "region", "1 to 256 printable ASCII characters without slashes", printable
);
string_id!(
    /// A kind of resource, e.g. `aws.s3.bucket`.
    KindId, "kind", "dotted lower-case words, e.g. aws.s3.bucket", dotted
);
string_id!(
    /// A check, e.g. `aws.kms.rotation`. It never changes its meaning.
    CheckId, "check", "dotted lower-case words, e.g. aws.kms.rotation", dotted
);
string_id!(
    /// A cloud-neutral objective, e.g. `storage.not-public`.
    ObjectiveId, "objective", "dotted lower-case words, e.g. storage.not-public", dotted
);
string_id!(
    /// A catalogue of controls, e.g. `iso27001-2022`.
    CatalogId, "catalogue", "lower-case letters, digits and hyphens", word
);
string_id!(
    /// A control's number in its catalogue, e.g. `A.8.24` or `CLD.9.5.1`.
    ControlId, "control", "1 to 256 printable ASCII characters without slashes", printable
);
string_id!(
    /// The agent that signs, e.g. `prod-eu`. One agent, one key history, one log.
    AgentId, "agent id", "1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit", word
);

impl Region {
    /// Where things without a region stand.
    pub fn global() -> Self {
        Self("global".into())
    }

    /// Where things stand whose region could not be read.
    pub fn unknown() -> Self {
        Self("unknown".into())
    }
}

impl KindId {
    /// The provider: the first segment.
    pub fn provider(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl CheckId {
    /// The provider: the first segment.
    pub fn provider(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

/// One run of one agent: a ULID, so that run ids sort by their start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(ulid::Ulid);

impl RunId {
    /// Composes the id from the start in Unix milliseconds and 80 random bits.
    pub fn from_parts(unix_millis: u64, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(unix_millis, random))
    }

    /// The run's start in Unix milliseconds.
    pub fn unix_millis(self) -> u64 {
        self.0.timestamp_ms()
    }
}

impl FromStr for RunId {
    type Err = ModelError;
    fn from_str(value: &str) -> Result<Self, ModelError> {
        ulid::Ulid::from_string(value).ok().filter(|id| id.to_string() == value).map(Self).ok_or_else(|| {
            ModelError::Id {
                what: "run",
                value: value.to_owned(),
                rule: "a ULID: 26 characters of Crockford's base 32",
            }
        })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
