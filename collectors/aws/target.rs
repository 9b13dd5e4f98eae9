//! The `aws` target of the config.

use std::collections::BTreeMap;

use evidenced_kit::TargetError;
use evidenced_model::{Account, Region};
use serde::Deserialize;
use serde_json::{Value, json};

/// `targets[].aws`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// Accounts by id; `None` is the account of the credentials.
    pub(crate) accounts: Option<Vec<Account>>,
    /// The role to assume in accounts that are not the credentials' own: a name, or an ARN for a single account.
    pub(crate) role: Option<String>,
    /// The external id that the role asks for.
    pub(crate) external_id: Option<String>,
    /// The regions; `None` is every enabled one.
    pub(crate) regions: Option<Vec<Region>>,
    /// Accounts that are not to be read, with the reason.
    pub(crate) exclude: BTreeMap<Account, String>,
    /// Services, regions or kinds that are not to be read, with the reason.
    pub(crate) excluded: BTreeMap<String, String>,
    /// A custom endpoint for every service.
    pub(crate) endpoint_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    accounts: Value,
    role: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    regions: Value,
    #[serde(default)]
    exclude: Vec<ExcludedAccount>,
    #[serde(default)]
    scopes: Scopes,
    endpoint_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExcludedAccount {
    account: String,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Scopes {
    #[serde(default)]
    excluded: Vec<Excluded>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Excluded {
    service: Option<String>,
    region: Option<String>,
    kind: Option<String>,
    reason: String,
}

impl Target {
    /// Parses and checks a target.
    pub(crate) fn parse(value: &Value) -> Result<Self, TargetError> {
        let raw: Raw = if value.is_null() {
            Raw::default()
        } else {
            serde_json::from_value(value.clone()).map_err(|error| unreadable(&error))?
        };
        let exclude = raw.exclude.iter().enumerate().map(|(index, entry)| {
            let account = account(&entry.account, &["exclude", &index.to_string(), "account"])?;
            Ok((account, entry.reason.clone()))
        });
        let target = Self {
            accounts: accounts(&raw.accounts)?,
            regions: regions(&raw.regions)?,
            exclude: exclude.collect::<Result<_, _>>()?,
            excluded: excluded(&raw.scopes.excluded)?,
            role: raw.role,
            external_id: raw.external_id,
            endpoint_url: raw.endpoint_url,
        };
        target.checked()
    }

    fn checked(self) -> Result<Self, TargetError> {
        if let Some(role) = &self.role {
            let arn = role.starts_with("arn:");
            let parts = role.split(':').count();
            let name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
            if arn && (parts != 6 || !role.contains(":role/")) {
                let hint = "expected arn:aws:iam::123456789012:role/NAME";
                return Err(wrong(&["role"], format!("{role:?} is not the ARN of a role: {hint}")));
            }
            if !arn && (role.is_empty() || !role.chars().all(name)) {
                return Err(wrong(&["role"], format!("{role:?} is neither a role's name nor its ARN")));
            }
            if arn && self.accounts.as_ref().is_some_and(|accounts| accounts.len() > 1) {
                return Err(wrong(
                    &["role"],
                    "several accounts need a role's name, not the ARN of one account's role".into(),
                ));
            }
        }
        if let Some(url) = &self.endpoint_url {
            let uri = url.parse::<http::Uri>().ok();
            if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()) {
                return Err(wrong(&["endpoint_url"], format!("{url:?} is not a URL such as http://127.0.0.1:5000")));
            }
        }
        Ok(self)
    }
}

fn accounts(value: &Value) -> Result<Option<Vec<Account>>, TargetError> {
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => {
            let parse = |(index, item): (usize, &Value)| {
                // An account id without quotes is a number in YAML, and loses leading zeros.
                let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                account(&text, &["accounts", &index.to_string()])
            };
            items.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Some)
        }
        _ => Err(wrong(&["accounts"], "expected a list of account ids in quotes, e.g. [\"123456789012\"]".into())),
    }
}

fn account(text: &str, path: &[&str]) -> Result<Account, TargetError> {
    let valid = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if !valid {
        return Err(wrong(path, format!("{text:?} is not an account id: 12 digits in quotes, e.g. \"123456789012\"")));
    }
    Account::parse(text).map_err(|error| wrong(path, error.to_string()))
}

fn regions(value: &Value) -> Result<Option<Vec<Region>>, TargetError> {
    match value {
        Value::Null => Ok(None),
        Value::String(word) if word == "enabled" => Ok(None),
        Value::Array(items) if !items.is_empty() => {
            let parse = |(index, item): (usize, &Value)| {
                let text = item.as_str().unwrap_or_default();
                let shaped = text.split('-').count() >= 3 && text.ends_with(|c: char| c.is_ascii_digit());
                let region = Region::parse(text).ok().filter(|_| shaped);
                let index = index.to_string();
                region.ok_or_else(|| wrong(&["regions", &index], format!("{item} is not a region such as eu-west-1")))
            };
            let mut regions = items.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
            regions.sort();
            regions.dedup();
            Ok(Some(regions))
        }
        _ => Err(wrong(&["regions"], "expected `enabled` or a list of regions, e.g. [eu-west-1]".into())),
    }
}

fn excluded(entries: &[Excluded]) -> Result<BTreeMap<String, String>, TargetError> {
    let mut excluded = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let named: Vec<&String> = [&entry.service, &entry.region, &entry.kind].into_iter().flatten().collect();
        let index = index.to_string();
        let [name] = named[..] else {
            return Err(wrong(
                &["scopes", "excluded", &index],
                "expected one of service, region or kind, and a reason".into(),
            ));
        };
        excluded.insert(name.clone(), entry.reason.clone());
    }
    Ok(excluded)
}

/// An unknown member is named, so that the config's reader finds its line.
fn unreadable(error: &serde_json::Error) -> TargetError {
    let message = error.to_string();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()).map(str::to_owned);
    TargetError { path: unknown.into_iter().collect(), message }
}

fn wrong(path: &[&str], message: String) -> TargetError {
    TargetError { path: path.iter().map(|part| (*part).to_owned()).collect(), message }
}

/// The JSON schema of a target.
pub(crate) fn schema() -> Value {
    let reason = json!({"type": "string", "description": "why; shown in the coverage"});
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "accounts": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{12}$"},
                "description": "account ids; the account of the credentials where nothing is said"},
            "role": {"type": "string", "description": "name of the role to assume in other accounts, or the ARN of one"},
            "external_id": {"type": "string", "description": "external id that the role's trust policy asks for"},
            "regions": {"oneOf": [{"const": "enabled"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
                "default": "enabled"},
            "exclude": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                "required": ["account", "reason"], "properties": {"account": {"type": "string"}, "reason": reason}}},
            "scopes": {"type": "object", "additionalProperties": false, "properties": {"excluded": {"type": "array",
                "items": {"type": "object", "additionalProperties": false, "required": ["reason"], "properties": {
                    "service": {"type": "string"}, "region": {"type": "string"}, "kind": {"type": "string"}, "reason": reason}}}}},
            "endpoint_url": {"type": "string", "description": "custom endpoint for every service, e.g. an emulator"}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_targets_parse() {
        let target =
            Target::parse(&json!({"accounts": ["123456789012"], "regions": ["eu-west-1", "eu-west-1"]})).unwrap();
        assert_eq!(target.regions.unwrap().len(), 1);
        assert!(Target::parse(&Value::Null).unwrap().accounts.is_none());
        assert!(Target::parse(&json!({"regions": "enabled"})).unwrap().regions.is_none());
    }

    #[test]
    fn bad_targets_name_the_member() {
        for (value, path) in [
            (json!({"accounts": ["12345"]}), "accounts.0"),
            (json!({"accounts": [12_345]}), "accounts.0"),
            (json!({"role": "arn:aws:iam::123456789012:user/x"}), "role"),
            (json!({"regions": ["mars"]}), "regions.0"),
            (json!({"regions": []}), "regions"),
            (json!({"endpoint_url": "localhost"}), "endpoint_url"),
            (json!({"scopes": {"excluded": [{"reason": "x"}]}}), "scopes.excluded.0"),
        ] {
            assert_eq!(Target::parse(&value).unwrap_err().path.join("."), path, "{value}");
        }
        let unknown = Target::parse(&json!({"acounts": []})).unwrap_err();
        assert!(unknown.message.contains("acounts"));
        assert_eq!(unknown.path, ["acounts"]);
    }
}
