//! Between JSON and CEL: values are borrowed from the resource, not copied, wherever CEL allows it.

use std::collections::HashMap;

use cel::Value as Cel;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp, CelUInt,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use chrono::{DateTime, FixedOffset};
use evidenced_model::FieldType;
use serde_json::{Map, Number, Value};

static NULL: CelNull = CelNull;

/// What one variable of a program is bound to.
#[derive(Debug)]
pub(crate) enum Slot<'v> {
    /// Nothing: whatever needs it is unknown.
    Unbound,
    Null,
    Bool(CelBool),
    Int(CelInt),
    Text(CelString<'v>),
    Time(CelTimestamp),
    Shared(&'v (dyn Val + 'static)),
    Other(Box<dyn Val + 'v>),
}

impl<'v> Slot<'v> {
    /// Binds a value of a declared shape; what is no timestamp although it should be is left unbound.
    pub(crate) fn of(value: &'v Value, shape: FieldType) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(CelBool::from(*value)),
            Value::String(text) if shape == FieldType::Timestamp => {
                timestamp(text).map_or(Self::Unbound, |time| Self::Time(CelTimestamp::from(time)))
            }
            Value::String(text) => Self::Text(CelString::from(text.as_str())),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Int(CelInt::from(integer)),
                None => Self::Other(number_val(number)),
            },
            Value::Array(_) | Value::Object(_) => Self::Other(to_val(value)),
        }
    }

    pub(crate) fn is_unbound(&self) -> bool {
        matches!(self, Self::Unbound)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn get(&self) -> Option<CowVal<'_, '_>> {
        Some(CowVal::Borrowed(match self {
            Self::Unbound => return None,
            Self::Null => &NULL,
            Self::Bool(value) => value,
            Self::Int(value) => value,
            Self::Text(value) => value,
            Self::Time(value) => value,
            Self::Shared(value) => *value,
            Self::Other(value) => value.as_ref(),
        }))
    }
}

/// The variables of one resource, as programs see them: `#0`, `#1` and so on.
#[derive(Debug)]
pub(crate) struct Slots<'v>(pub(crate) Vec<Slot<'v>>);

impl VariableResolver for Slots<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let digits = variable.as_bytes().strip_prefix(b"#")?;
        let mut index = 0;
        for byte in digits {
            if !byte.is_ascii_digit() {
                return None;
            }
            index = index * 10 + usize::from(byte - b'0');
        }
        self.0.get(index)?.get()
    }
}

/// The variable of a slot.
pub(crate) fn slot_name(index: usize) -> String {
    format!("#{index}")
}

/// An RFC 3339 timestamp.
pub(crate) fn timestamp(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

/// A CEL value that borrows the texts of the JSON value.
pub(crate) fn to_val<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => number_val(number),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(to_val).collect::<Vec<_>>())),
        Value::Object(map) => Box::new(map_val(map)),
    }
}

fn map_val(map: &Map<String, Value>) -> CelMap<'_> {
    let members: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> =
        map.iter().map(|(name, value)| (CelMapKey::from(name.as_str()), to_val(value))).collect();
    CelMap::from(members)
}

fn number_val<'v>(number: &Number) -> Box<dyn Val + 'v> {
    if let Some(integer) = number.as_i64() {
        Box::new(CelInt::from(integer))
    } else if let Some(integer) = number.as_u64() {
        Box::new(CelUInt::from(integer))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// A CEL value that outlives the JSON value.
pub(crate) fn owned(value: &Value, shape: FieldType) -> Box<dyn Val> {
    match Slot::of(value, shape) {
        Slot::Time(time) => Box::new(time),
        _ => owned_val(value),
    }
}

fn owned_val(value: &Value) -> Box<dyn Val> {
    match value {
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(owned_val).collect::<Vec<_>>())),
        Value::Object(map) => {
            let members: HashMap<CelMapKey<'static>, Box<dyn Val>> =
                map.iter().map(|(name, value)| (CelMapKey::from(name.clone()), owned_val(value))).collect();
            Box::new(CelMap::from(members))
        }
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => number_val(number),
    }
}

/// The result of a native function as CEL's own value.
pub(crate) fn to_cel(value: Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Cel::Int(integer),
            (None, Some(integer)) => Cel::UInt(integer),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(text.into()),
        Value::Array(items) => Cel::List(items.into_iter().map(to_cel).collect::<Vec<_>>().into()),
        Value::Object(map) => {
            Cel::from(map.into_iter().map(|(name, value)| (name, to_cel(value))).collect::<HashMap<_, _>>())
        }
    }
}

/// A CEL value as JSON; timestamps become text.
pub(crate) fn to_json(value: &dyn Val) -> Option<Value> {
    Cel::try_from(value).ok()?.json().ok()
}
