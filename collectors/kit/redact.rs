//! Redaction before anything reaches a disk: what looks like a secret becomes a keyed digest.
//!
//! Collectors do not ask for secrets in the first place; this is the net below them. The digest is keyed by the
//! agent, so that equal secrets stay comparable between runs and cannot be guessed from outside.

use evidenced_model::{Field, Resource};
use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::{Regex, RegexSet};
use serde_json::Value;
use sha2::Sha256;

/// What secrets look like: private keys, cloud credentials, tokens with a known prefix, passwords in URLs and
/// connection strings.
const PATTERNS: &[&str] = &[
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b(?:sk|rk)_live_[0-9A-Za-z]{16,}",
    r"\bgh[pousr]_[0-9A-Za-z]{30,}",
    r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    r"\bAIza[0-9A-Za-z_-]{35}",
    r"(?i)\b(?:password|passwd|pwd|secret|secret_access_key|api[_-]?key|token|accountkey|sharedaccesskey)\s*[=:]\s*[^\s;,&\x22']{6,}",
    r"://[^/\s:@]{1,64}:[^/\s:@]{3,}@",
];

/// What members are called that hold a secret whatever it looks like, e.g. the tag `db_password`. Names with a colon are
/// condition keys of policies, and say nothing secret.
const NAMES: &str = r"(?i)(?:^|[_. -])(?:password|passwd|pwd|secret|secret[_-]?key|api[_-]?key|private[_-]?key|token|access[_-]?key|connection[_-]?string)$";

/// Replaces what looks like a secret.
pub struct Redactor {
    quick: RegexSet,
    patterns: Vec<Regex>,
    names: Regex,
    key: Hmac<Sha256>,
}

impl Redactor {
    /// A redactor whose digests are keyed by `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles them")]
        let (quick, patterns, names) = (
            RegexSet::new(PATTERNS).expect("constant patterns compile"),
            PATTERNS.iter().map(|p| Regex::new(p).expect("constant patterns compile")).collect(),
            Regex::new(NAMES).expect("constant patterns compile"),
        );
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let key = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self { quick, patterns, names, key }
    }

    /// Redacts every text of a resource; returns how many texts were changed.
    pub fn redact(&self, resource: &mut Resource) -> u64 {
        let mut changed = 0;
        for field in resource.fields.values_mut() {
            if let Field::Read(value) = field {
                changed += self.walk(value);
            }
        }
        changed
    }

    /// A text with everything that looks like a secret replaced.
    pub fn redact_text(&self, text: &str) -> String {
        self.text(text).unwrap_or_else(|| text.to_owned())
    }

    fn walk(&self, value: &mut Value) -> u64 {
        match value {
            Value::String(text) => match self.text(text) {
                Some(redacted) => {
                    *text = redacted;
                    1
                }
                None => 0,
            },
            Value::Array(items) => items.iter_mut().map(|item| self.walk(item)).sum(),
            Value::Object(map) => map.iter_mut().map(|(name, item)| self.member(name, item)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }

    fn member(&self, name: &str, value: &mut Value) -> u64 {
        match value {
            Value::String(text) if !text.is_empty() && self.names.is_match(name) => {
                if !text.starts_with("redacted:") {
                    *text = self.digest(text);
                }
                1
            }
            _ => self.walk(value),
        }
    }

    fn text(&self, text: &str) -> Option<String> {
        // Short texts cannot hold what the patterns look for.
        if text.len() < 10 {
            return None;
        }
        let hits = self.quick.matches(text);
        if !hits.matched_any() {
            return None;
        }
        let mut redacted = text.to_owned();
        for pattern in hits.into_iter().filter_map(|index| self.patterns.get(index)) {
            redacted = pattern.replace_all(&redacted, |hit: &regex::Captures<'_>| self.digest(&hit[0])).into_owned();
        }
        // A private key goes on after its first line: nothing of such a text is kept.
        if redacted.contains("PRIVATE KEY-----") || text.contains("PRIVATE KEY-----") {
            return Some(self.digest(text));
        }
        Some(redacted)
    }

    /// The keyed digest that stands in for a secret, e.g. `redacted:5f…` (HMAC-SHA-256, first 16 bytes).
    pub fn digest(&self, secret: &str) -> String {
        use std::fmt::Write as _;
        let mut mac = self.key.clone();
        mac.update(secret.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let mut out = String::from("redacted:");
        for byte in &bytes[..16] {
            let _ = write!(out, "{byte:02x}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        let redactor = Redactor::new(&[7; 32]);
        let mut value = serde_json::json!({"deep": [text]});
        redactor.walk(&mut value);
        value["deep"][0].as_str().unwrap().to_owned()
    }

    #[test]
    fn secrets_become_digests() {
        for secret in [
            "Server=db;Password=hunter2hunter2;",
            "postgres://admin:s3cr3tpw@db.example.com/x",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
            "ghp_0123456789012345678901234567890123456",
        ] {
            let out = redacted(secret);
            assert!(out.contains("redacted:"), "{secret} stayed as {out}");
            for part in ["hunter2", "s3cr3tpw", "MIIabc", "0123456789012345678901234567"] {
                assert!(!out.contains(part), "{part} is left in {out}");
            }
        }
    }

    #[test]
    fn what_is_called_a_secret_becomes_a_digest() {
        let redactor = Redactor::new(&[7; 32]);
        let mut tags = serde_json::json!({
            "db_password": "horse", "Api-Key": "k", "owner": "finance", "aws:TokenIssueTime": "true", "tokens": "2",
            "password_last_used": "2026-01-01T00:00:00Z", "secret": ["listed"]
        });
        assert_eq!(redactor.walk(&mut tags), 2);
        assert_eq!(tags["db_password"], redactor.digest("horse"));
        assert_eq!(tags["Api-Key"], redactor.digest("k"));
        assert_eq!(tags["owner"], "finance");
        assert_eq!(tags["aws:TokenIssueTime"], "true");
        assert_eq!(tags["password_last_used"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in ["arn:aws:iam::123456789012:role/reader", "https://example.com/path", "AES256", "max password age"]
        {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn equal_secrets_stay_comparable_and_keys_tell_them_apart() {
        let (one, two) = (Redactor::new(&[1; 32]), Redactor::new(&[2; 32]));
        assert_eq!(one.digest("x"), one.digest("x"));
        assert_ne!(one.digest("x"), two.digest("x"));
    }
}
