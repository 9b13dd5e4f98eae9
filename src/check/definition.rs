//! Kinds, checks and parameters as they stand in their files and in the sealed mappings.

use std::collections::BTreeMap;

use evidenced_model::{CheckId, FieldDecl, FieldType, KindId, ObjectiveId, Severity, Span, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One file: a kind with its checks, or further checks over a kind that another file declares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindFile {
    /// The kind.
    pub kind: KindId,
    /// The file only adds checks to a kind declared elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extends: bool,
    /// One short sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where its resources stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The calls whose refusal means that the population is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Vec<String>>,
    /// What the collector must read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, FieldDecl>>,
    /// A resource with every field; null is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Map<String, Value>>,
    /// The checks.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One question about one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name; never changes meaning.
    pub id: CheckId,
    /// Grows when the meaning of the verdict changes.
    pub revision: u32,
    /// What it serves.
    pub objective: ObjectiveId,
    /// The claim that a pass makes.
    pub title: String,
    /// How much a fail matters.
    pub severity: Severity,
    /// The place that a population check speaks of; none for a check of single resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
    /// Joined resources, by the name the programs use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Join>,
    /// Whether the question arises (CEL); it does if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies: Option<String>,
    /// The condition on a single resource (CEL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Holds for at least one resource (CEL), or several named ones, each for at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub some: Option<OneOrNamed>,
    /// Holds for every resource (CEL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Holds for no resource (CEL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
    /// Holds for so many resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// The verdict on a population that was read completely and is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_empty: Option<Settled>,
    /// The verdict where a nullable field is absent, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when_absent: BTreeMap<String, WhenAbsent>,
    /// Fields that logic alone can make needless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided_without: Vec<String>,
    /// Parameters without a default that must be declared first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do about a fail.
    pub fix: String,
    /// Examples by verdict; each overrides the sample.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
}

/// The place that a population check speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each account.
    Account,
    /// Each region of each account.
    Region,
    /// All accounts of the provider together.
    Organization,
}

/// Where a joined resource may stand, seen from the judged one.
pub type Reach = Per;

/// A join by equality: the right-hand fields equal what the left-hand programs say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The right-hand kind.
    pub kind: KindId,
    /// Right-hand field to left-hand program (CEL over `resource`, `scope` and `params`).
    pub on: BTreeMap<String, String>,
    /// Where to look.
    #[serde(rename = "in")]
    pub reach: Reach,
    /// The name is a list of every match, not the only one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
    /// The right-hand fields that the elements of the list hold; only with `many`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// `some: x` or `some: {name: x, other: y}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum OneOrNamed {
    /// A single predicate.
    One(String),
    /// Several, each of which must hold for some resource.
    Named(BTreeMap<String, String>),
}

impl TryFrom<Value> for OneOrNamed {
    type Error = &'static str;
    fn try_from(value: Value) -> Result<Self, Self::Error> {
        const WRONG: &str = "a predicate is text, or several are a map from name to text";
        let text = |value: Value| value.as_str().map(str::to_owned).ok_or(WRONG);
        match value {
            Value::Object(named) => named
                .into_iter()
                .map(|(name, value)| Ok((name, text(value)?)))
                .collect::<Result<_, _>>()
                .map(Self::Named),
            one => text(one).map(Self::One),
        }
    }
}

/// How many resources a predicate must hold for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The predicate (CEL).
    pub of: String,
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// A verdict that can be settled beforehand: any but unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Pass.
    Pass,
    /// Fail.
    Fail,
    /// Not applicable.
    NotApplicable,
}

impl From<Settled> for Verdict {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Pass => Self::Pass,
            Settled::Fail => Self::Fail,
            Settled::NotApplicable => Self::NotApplicable,
        }
    }
}

/// What an absent field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAbsent {
    /// Pass.
    Pass,
    /// Fail.
    Fail,
    /// Not applicable.
    NotApplicable,
    /// The program sees null and says so itself.
    Handled,
}

impl WhenAbsent {
    /// The verdict, unless the program says.
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Pass => Some(Verdict::Pass),
            Self::Fail => Some(Verdict::Fail),
            Self::NotApplicable => Some(Verdict::NotApplicable),
            Self::Handled => None,
        }
    }
}

/// Examples of a check by the verdict they must get.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// Must pass.
    #[serde(default, skip_serializing_if = "ExampleList::is_empty")]
    pub pass: ExampleList,
    /// Must fail.
    #[serde(default, skip_serializing_if = "ExampleList::is_empty")]
    pub fail: ExampleList,
    /// Must be not applicable.
    #[serde(default, skip_serializing_if = "ExampleList::is_empty")]
    pub not_applicable: ExampleList,
}

impl Examples {
    /// No example at all.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Every example with the verdict it must get.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, &Map<String, Value>)> {
        let lists =
            [(Verdict::Pass, &self.pass), (Verdict::Fail, &self.fail), (Verdict::NotApplicable, &self.not_applicable)];
        lists.into_iter().flat_map(|(verdict, list)| list.as_slice().iter().map(move |example| (verdict, example)))
    }
}

/// One example, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum ExampleList {
    /// Several.
    Many(Vec<Map<String, Value>>),
    /// One.
    One(Map<String, Value>),
}

impl Default for ExampleList {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl TryFrom<Value> for ExampleList {
    type Error = &'static str;
    fn try_from(value: Value) -> Result<Self, Self::Error> {
        const WRONG: &str = "an example is a map, or several are a list of maps";
        let map = |value: Value| if let Value::Object(map) = value { Ok(map) } else { Err(WRONG) };
        match value {
            Value::Array(many) => many.into_iter().map(map).collect::<Result<_, _>>().map(Self::Many),
            one => map(one).map(Self::One),
        }
    }
}

impl ExampleList {
    /// The examples.
    pub fn as_slice(&self) -> &[Map<String, Value>] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }

    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

/// A parameter of checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamDecl {
    /// The shape of its value.
    #[serde(rename = "type")]
    pub shape: FieldType,
    /// The value unless the config says otherwise; none for a declaration that only the customer can make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The scope of the customer's declaration that sets it, e.g. `holds_logs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What it is counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// One short sentence.
    pub about: String,
}

/// The word for a type in messages.
pub(crate) fn shape_name(shape: FieldType) -> &'static str {
    match shape {
        FieldType::String => "a string",
        FieldType::Bool => "true or false",
        FieldType::Int => "a whole number",
        FieldType::Timestamp => "a timestamp (RFC 3339)",
        FieldType::List => "a list",
        FieldType::Map => "a map",
    }
}

/// The word for what a value is, in messages.
pub(crate) fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Whether a value has the shape that was declared.
pub(crate) fn fits(shape: FieldType, value: &Value) -> bool {
    match shape {
        FieldType::String => value.is_string(),
        FieldType::Bool => value.is_boolean(),
        FieldType::Int => value.is_i64() || value.is_u64(),
        FieldType::Timestamp => value.as_str().is_some_and(|text| crate::value::timestamp(text).is_some()),
        FieldType::List => value.is_array(),
        FieldType::Map => value.is_object(),
    }
}
