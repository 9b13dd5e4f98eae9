//! A resource as it was read: every field is absent, read or unread.

mod partial;

use std::collections::BTreeMap;

use serde::de::DeserializeSeed as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canon;
use crate::{Cause, KindId, Scope};

/// What is known of one field. A field that nobody wrote is [`Field::Unread`] with [`Cause::Silent`].
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// The provider documents that it is not there.
    Absent,
    /// The provider said so.
    Read(Value),
    /// Not known, and why.
    Unread(Unread),
}

/// Why a field is unread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The operation that would have told, e.g. `s3:GetBucketPolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Why it did not.
    pub cause: Cause,
    /// What would have been needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

impl Unread {
    /// Nobody wrote the field.
    pub const SILENT: Self = Self { call: None, cause: Cause::Silent, permission: None };
}

impl From<&crate::Refusal> for Unread {
    fn from(refusal: &crate::Refusal) -> Self {
        Self { call: Some(refusal.call.clone()), cause: refusal.cause, permission: refusal.permission.clone() }
    }
}

/// One resource of one kind in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// What it is.
    pub kind: KindId,
    /// The provider's own identifier (ARN, name, ARM id in lower case); unique within scope and kind.
    pub id: String,
    /// Where it is.
    pub scope: Scope,
    /// What was read of it.
    pub fields: BTreeMap<String, Field>,
}

static SILENT: Field = Field::Unread(Unread::SILENT);

impl Resource {
    /// A resource of which nothing has been read yet.
    pub fn new(kind: KindId, id: impl Into<String>, scope: Scope) -> Self {
        Self { kind, id: id.into(), scope, fields: BTreeMap::new() }
    }

    /// The field; unread and silent if nobody wrote it.
    pub fn field(&self, name: &str) -> &Field {
        self.fields.get(name).unwrap_or(&SILENT)
    }

    /// Writes a field that the provider gave.
    pub fn read(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.fields.insert(name.to_owned(), Field::Read(value.into()));
        self
    }

    /// Writes an optional member of an answer: `None` is absent.
    pub fn optional<V: Into<Value>>(&mut self, name: &str, value: Option<V>) -> &mut Self {
        let field = value.map_or(Field::Absent, |value| Field::Read(value.into()));
        self.fields.insert(name.to_owned(), field);
        self
    }

    /// Writes that the field is documented not to be there.
    pub fn absent(&mut self, name: &str) -> &mut Self {
        self.fields.insert(name.to_owned(), Field::Absent);
        self
    }

    /// Writes that the field could not be read.
    pub fn unread(&mut self, name: &str, why: impl Into<Unread>) -> &mut Self {
        self.fields.insert(name.to_owned(), Field::Unread(why.into()));
        self
    }

    /// Appends the canonical line (RFC 8785, ends in LF) of the evidence format.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"fields\":{");
        let mut first = true;
        for (name, field) in &self.fields {
            let value = match field {
                Field::Read(value) => value,
                Field::Absent => &Value::Null,
                Field::Unread(_) => continue,
            };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            canon::write_str(name, out);
            out.push(b':');
            canon::write(value, out);
        }
        out.extend_from_slice(b"},\"id\":");
        canon::write_str(&self.id, out);
        out.extend_from_slice(b",\"kind\":");
        canon::write_str(self.kind.as_str(), out);
        out.extend_from_slice(b",\"scope\":");
        write_scope(&self.scope, out);
        out.extend_from_slice(b",\"unread\":{");
        let mut first = true;
        for (name, field) in &self.fields {
            let Field::Unread(unread) = field else { continue };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            canon::write_str(name, out);
            out.push(b':');
            write_unread(unread, out);
        }
        out.extend_from_slice(b"}}\n");
    }
}

pub(crate) fn write_scope(scope: &Scope, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"account\":");
    canon::write_str(scope.account.as_str(), out);
    out.extend_from_slice(b",\"provider\":");
    canon::write_str(scope.provider.as_str(), out);
    out.extend_from_slice(b",\"region\":");
    canon::write_str(scope.region.as_str(), out);
    out.push(b'}');
}

fn write_unread(unread: &Unread, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(call) = &unread.call {
        out.extend_from_slice(b"\"call\":");
        canon::write_str(call, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"cause\":\"");
    out.extend_from_slice(unread.cause.as_str().as_bytes());
    out.push(b'"');
    if let Some(permission) = &unread.permission {
        out.extend_from_slice(b",\"permission\":");
        canon::write_str(permission, out);
    }
    out.push(b'}');
}

/// The stored form of a [`Resource`], as `serde` reads it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLine {
    /// Fields that were read; `null` is absent.
    pub fields: BTreeMap<String, Value>,
    /// See [`Resource::id`].
    pub id: String,
    /// See [`Resource::kind`].
    pub kind: KindId,
    /// See [`Resource::scope`].
    pub scope: Scope,
    /// Fields that were not read.
    pub unread: BTreeMap<String, Unread>,
}

impl From<ResourceLine> for Resource {
    fn from(line: ResourceLine) -> Self {
        let read = line.fields.into_iter().map(|(name, value)| {
            let field = if value.is_null() { Field::Absent } else { Field::Read(value) };
            (name, field)
        });
        let unread = line.unread.into_iter().map(|(name, why)| (name, Field::Unread(why)));
        let mut fields: BTreeMap<String, Field> = read.collect();
        // A field named on both sides counts as unread: never a pass on what is in doubt.
        fields.extend(unread);
        Self { kind: line.kind, id: line.id, scope: line.scope, fields }
    }
}

impl Resource {
    /// Reads a line back, with only those of its fields that are wanted: what is skipped costs nothing but its bytes.
    pub fn from_line(line: &[u8], wanted: &dyn Fn(&str) -> bool) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(line);
        let resource = partial::Line(wanted).deserialize(&mut reader)?;
        reader.end()?;
        Ok(resource)
    }
}
