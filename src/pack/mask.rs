//! Masked renderings of withheld lines: their shape, with pseudonyms in the place of names. Derived, no evidence.

use evidenced_seal::SealError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::redact::Redactor;

/// Makes pseudonyms: equal names have equal ones within a pack. The key is made for one pack and kept by nobody.
#[derive(Clone)]
pub struct MaskKey([u8; 32]);

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskKey(…)")
    }
}

impl MaskKey {
    /// From random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The first 16 hexadecimal digits of HMAC-SHA-256.
    fn name(&self, text: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return "masked".to_owned() };
        mac.update(text.as_bytes());
        let mut half = [0; 8];
        half.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        format!("masked-{:016x}", u64::from_be_bytes(half))
    }

    /// Numbers, truth values and what is absent stay; every text and every name of a member gets a pseudonym.
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.name(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.name(name), self.value(value))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    /// Members that are words of the format, not of the customer, stay.
    fn line(&self, line: &Map<String, Value>) -> Map<String, Value> {
        let member = |(name, value): (&String, &Value)| {
            let value = match name.as_str() {
                "check" | "check_sha256" | "kind" | "objective" | "revision" | "severity" | "verdict" | "unread"
                | "because" => value.clone(),
                // The names of fields are declared; their values are not.
                "fields" | "observed" => match value {
                    Value::Object(fields) => fields
                        .iter()
                        .map(|(name, value)| (name.clone(), self.value(value)))
                        .collect::<Map<_, _>>()
                        .into(),
                    other => self.value(other),
                },
                "scope" => self.scope(value),
                "rests_on" => self.rests_on(value),
                _ => self.value(value),
            };
            (name.clone(), value)
        };
        line.iter().map(member).collect()
    }

    fn scope(&self, scope: &Value) -> Value {
        json!({"account": self.value(&scope["account"]), "provider": scope["provider"], "region": scope["region"]})
    }

    fn rests_on(&self, list: &Value) -> Value {
        let one = |other: &Value| json!({"id": self.value(&other["id"]), "kind": other["kind"], "scope": self.scope(&other["scope"])});
        list.as_array().map(|list| list.iter().map(one).collect()).unwrap_or_default()
    }

    /// The withheld lines of a chunk, masked, each with its number in the chunk.
    pub(crate) fn render(
        &self,
        redactor: &Redactor,
        lines: &[u8],
        all: bool,
        file: &str,
    ) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        for (number, line) in (1_u64..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
            if !all && redactor.line(line, file)?.is_none() {
                continue;
            }
            let parsed: Map<String, Value> = serde_json::from_slice(line)
                .map_err(|error| SealError::wrong(file, format!("a line is not what it should be: {error}")))?;
            let rendered = json!({"derived": true, "line": number, "masked": self.line(&parsed)});
            out.extend_from_slice(rendered.to_string().as_bytes());
            out.push(b'\n');
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_left_and_equal_names_stay_equal() {
        let key = MaskKey::new([7; 32]);
        let line = br#"{"fields":{"name":"alice","tags":{"alice":"team-x"},"mfa":false,"n":3,"gone":null},"id":"arn:alice","kind":"aws.iam.user","scope":{"account":"123456789012","provider":"aws","region":"global"},"unread":{}}
"#;
        let masked = key.render(&Redactor::default(), line, true, "test").unwrap();
        let text = String::from_utf8(masked).unwrap();
        for name in ["alice", "team-x", "123456789012"] {
            assert!(!text.contains(name), "{text}");
        }
        let value: Value = serde_json::from_str(&text).unwrap();
        let fields = &value["masked"]["fields"];
        assert_eq!((&fields["mfa"], &fields["n"], &fields["gone"]), (&json!(false), &json!(3), &Value::Null));
        let name = fields["name"].as_str().unwrap();
        assert_eq!(fields["tags"].as_object().unwrap().keys().next().unwrap(), name);
        assert_eq!((&value["derived"], &value["masked"]["kind"]), (&json!(true), &json!("aws.iam.user")));
        assert_ne!(MaskKey::new([8; 32]).name("alice"), name, "another pack, another name");
    }
}
