//! The file as it is written, with the lines of what may be wrong.

use std::fmt;
use std::marker::PhantomData;

use evidenced_model::{CatalogId, ControlId};
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::{Owner, Scoped, Selector};

/// `isms.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    #[serde(default)]
    pub(crate) organisation: Option<String>,
    #[serde(default)]
    pub(crate) applicability: Pairs<CatalogId, Pairs<ControlId, RawStatement>>,
    #[serde(default)]
    pub(crate) approvers: Option<Vec<RawApprover>>,
    #[serde(default)]
    pub(crate) waivers: Vec<RawWaiver>,
    #[serde(default)]
    pub(crate) scopes: Pairs<String, Scoped>,
    #[serde(default)]
    pub(crate) allow: Pairs<String, Vec<String>>,
    #[serde(default)]
    pub(crate) owners: Vec<Spanned<Owner>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStatement {
    pub(crate) applies: Applies,
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawApprover {
    pub(crate) name: Spanned<String>,
    #[serde(default)]
    pub(crate) until: Option<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWaiver {
    pub(crate) id: Spanned<String>,
    #[serde(default)]
    pub(crate) checks: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) approved_by: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) ticket: Option<String>,
    #[serde(default)]
    pub(crate) from: Option<Date>,
    #[serde(default)]
    pub(crate) expires: Option<Spanned<Date>>,
    #[serde(default)]
    pub(crate) resources: Selector,
}

/// `yes` or `no`, which some readers of YAML take for truth values and others for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applies(pub(crate) bool);

impl<'de> Deserialize<'de> for Applies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Applies;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("yes or no")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Applies, E> {
                Ok(Applies(value))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Applies, E> {
                match value {
                    "yes" | "true" => Ok(Applies(true)),
                    "no" | "false" => Ok(Applies(false)),
                    other => Err(E::custom(format!("applies: expected yes or no, not {other:?}"))),
                }
            }
        }
        deserializer.deserialize_any(Word)
    }
}

/// A map whose keys remember their lines, in the order of the file.
pub(crate) struct Pairs<K, V>(pub(crate) Vec<(Spanned<K>, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Pair<K, V> {
            type Value = Pairs<K, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
            fn visit_unit<E: Error>(self) -> Result<Pairs<K, V>, E> {
                Ok(Pairs::default())
            }
        }
        deserializer.deserialize_map(Pair(PhantomData))
    }
}
