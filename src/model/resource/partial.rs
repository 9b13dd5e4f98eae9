//! Reading a part of a resource's line: the fields that are wanted are built, the others are skipped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{Field, Resource, Unread};
use crate::{KindId, Scope};

/// A whole line, read with this choice of fields.
pub(super) struct Line<'w>(pub(super) &'w dyn Fn(&str) -> bool);

/// The name of a member: borrowed from the line unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Line<'_> {
    type Value = Resource;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Resource, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_> {
    type Value = Resource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the line of a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Resource, A::Error> {
        const MEMBERS: &[&str] = &["fields", "id", "kind", "scope", "unread"];
        let (mut id, mut kind, mut scope) = (None, None, None);
        let (mut fields, mut unread) = (None, None);
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "fields" => fields = Some(map.next_value_seed(Fields(self.0, read))?),
                "id" => id = Some(map.next_value::<String>()?),
                "kind" => kind = Some(map.next_value::<KindId>()?),
                "scope" => scope = Some(map.next_value::<Scope>()?),
                "unread" => unread = Some(map.next_value_seed(Fields(self.0, Field::Unread as fn(Unread) -> Field))?),
                other => return Err(A::Error::unknown_field(other, MEMBERS)),
            }
        }
        let missing = |name| A::Error::missing_field(name);
        let mut fields: BTreeMap<String, Field> = fields.ok_or_else(|| missing("fields"))?;
        // A field named on both sides counts as unread: never a pass on what is in doubt.
        fields.extend(unread.ok_or_else(|| missing("unread"))?);
        Ok(Resource {
            kind: kind.ok_or_else(|| missing("kind"))?,
            id: id.ok_or_else(|| missing("id"))?,
            scope: scope.ok_or_else(|| missing("scope"))?,
            fields,
        })
    }
}

fn read(value: Value) -> Field {
    if value.is_null() { Field::Absent } else { Field::Read(value) }
}

/// The members of an object that are wanted, each turned into a field.
struct Fields<'w, T>(&'w dyn Fn(&str) -> bool, fn(T) -> Field);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Fields<'_, T> {
    type Value = BTreeMap<String, Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<'_, T> {
    type Value = BTreeMap<String, Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(Name(name)) = map.next_key()? {
            if (self.0)(&name) {
                fields.insert(name.into_owned(), (self.1)(map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Cause, Field, Resource, ResourceLine, Unread};

    fn line() -> Vec<u8> {
        let scope = serde_json::from_value(json!({"provider": "aws", "account": "123456789012", "region": "global"}));
        let mut resource = Resource::new("aws.iam.user".parse().unwrap(), "a\"\\u0041", scope.unwrap());
        resource.read("name", "a\nb").read("keys", json!([{"id": 1}, {}])).absent("mfa").read("tab\t", 7);
        resource
            .unread("tags", Unread { call: Some("iam:ListUserTags".into()), cause: Cause::Denied, permission: None });
        let mut line = Vec::new();
        resource.write_line(&mut line);
        line
    }

    #[test]
    fn what_is_wanted_is_what_the_whole_line_says() {
        let line = line();
        let whole = Resource::from(serde_json::from_slice::<ResourceLine>(&line).unwrap());
        assert_eq!(Resource::from_line(&line, &|_| true).unwrap(), whole);
        let some = Resource::from_line(&line, &|name| matches!(name, "mfa" | "tags" | "tab\t")).unwrap();
        assert_eq!((&some.id, &some.kind, &some.scope), (&whole.id, &whole.kind, &whole.scope));
        assert_eq!(some.fields.keys().collect::<Vec<_>>(), ["mfa", "tab\t", "tags"]);
        for (name, field) in &some.fields {
            assert_eq!(field, whole.field(name), "{name}");
        }
        assert_eq!(some.field("name"), &Field::Unread(Unread::SILENT), "what was not wanted is not known");
    }

    #[test]
    fn a_field_on_both_sides_is_unread() {
        let both = String::from_utf8(line()).unwrap().replace("\"tags\"", "\"mfa\"");
        let resource = Resource::from_line(both.as_bytes(), &|_| true).unwrap();
        assert!(matches!(resource.field("mfa"), Field::Unread(_)));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let line = String::from_utf8(line()).unwrap();
        for wrong in [
            line.replace("\"unread\"", "\"unredd\""),
            line.replace("\"fields\":{", "\"fields\":[{"),
            format!("{line}{{}}"),
            line[..line.len() - 3].to_owned(),
            "{\"fields\":{},\"unread\":{}}".to_owned(),
        ] {
            assert!(Resource::from_line(wrong.as_bytes(), &|_| false).is_err(), "{wrong}");
        }
    }
}
