//! What a kind of resource is: its fields, the calls that tell them, where it lives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::KindId;

/// A kind as declared in `mappings/kinds/<provider>/<kind>.yaml`: the contract between collector and check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDecl {
    /// Its name.
    pub kind: KindId,
    /// One short sentence.
    pub title: String,
    /// Where its resources stand and how they are listed.
    pub span: Span,
    /// The calls whose refusal means that the population is not known, e.g. `[s3:ListBuckets]`.
    pub lists: Vec<String>,
    /// What the collector must read.
    pub fields: BTreeMap<String, FieldDecl>,
}

/// How a kind's resources are spread over regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Asked once an account; resources stand in `global`.
    Global,
    /// Asked in each region; resources stand in that region.
    Regional,
    /// Listed once an account; each resource stands in its own region (S3 buckets).
    Located,
}

/// One field of a kind.
#[expect(clippy::struct_excessive_bools, reason = "the marks of a field are independent of each other")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldDecl {
    /// The shape of its value.
    #[serde(rename = "type")]
    pub shape: FieldType,
    /// One short sentence, with the unit where there is one.
    pub about: String,
    /// May be absent: the provider documents an error code or an optional member for it.
    #[serde(default)]
    pub nullable: bool,
    /// The operations that tell it; all must succeed.
    pub call: OneOrMany,
    /// Changes by itself; the collector cuts it to the UTC date.
    #[serde(default)]
    pub volatile: bool,
    /// Names a person.
    #[serde(default)]
    pub personal: bool,
    /// Given by the provider to everybody, not the customer's merit.
    #[serde(default)]
    pub inherited: bool,
    /// Read only with `collect: all`, or when an enabled check reads it.
    #[serde(default)]
    pub on_demand: bool,
}

/// The shape of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    String,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// An instant: RFC 3339 text in UTC; a timestamp in CEL.
    Timestamp,
    /// A list.
    List,
    /// An object.
    Map,
}

/// `call: x` or `call: [x, y]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single operation.
    One(String),
    /// Several, all needed.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The operations, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter().map(String::as_str),
            Self::Many(many) => many.iter().map(String::as_str),
        }
    }
}
