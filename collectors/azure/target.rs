//! The `azure` entry of `targets[]`: tenant, subscriptions, cloud, and what is left out.

use std::collections::BTreeMap;

use evidenced_kit::TargetError;
use evidenced_model::Account;
use serde::Deserialize;
use serde_json::{Value, json};

/// A target that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The tenant's id; that of the subscriptions or of the environment where nothing is said.
    pub(crate) tenant: Option<Account>,
    /// Which subscriptions.
    pub(crate) subscriptions: Wanted,
    /// Subscriptions that are left out, with the reason.
    pub(crate) exclude: BTreeMap<Account, String>,
    /// Services, regions and kinds that are left out, with the reason.
    pub(crate) excluded: BTreeMap<String, String>,
    /// Which cloud.
    pub(crate) cloud: Sovereign,
    /// Stands in for every endpoint of the cloud: a test server, a proxy.
    pub(crate) endpoint_url: Option<String>,
}

/// Which subscriptions are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All that the identity sees.
    All,
    /// These.
    These(Vec<Account>),
    /// Those below these management groups.
    Below(Vec<String>),
}

/// One of the clouds that Microsoft runs apart from each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sovereign {
    /// The public one.
    #[default]
    Public,
    /// Azure Government (US).
    Government,
    /// Azure China, run by 21Vianet.
    China,
}

impl Sovereign {
    /// The endpoint of Resource Manager.
    pub(crate) fn manager(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::Government => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }

    /// The authority that gives tokens.
    pub(crate) fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::Government => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// The endpoint of Microsoft Graph.
    pub(crate) fn graph(self) -> &'static str {
        match self {
            Self::Public => "https://graph.microsoft.com",
            Self::Government => "https://graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    tenant: Option<String>,
    subscriptions: Value,
    management_groups: Option<Vec<String>>,
    exclude: Vec<ExcludedSubscription>,
    scopes: Scopes,
    cloud: Sovereign,
    endpoint_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scopes {
    excluded: Vec<Excluded>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExcludedSubscription {
    subscription: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
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
            let account =
                guid(&entry.subscription, &["exclude", &index.to_string(), "subscription"], "a subscription")?;
            Ok((account, entry.reason.clone()))
        });
        let exclude = exclude.collect::<Result<_, _>>()?;
        if let Some(url) = &raw.endpoint_url {
            endpoint(url)?;
        }
        Ok(Self {
            tenant: raw.tenant.as_deref().map(|tenant| guid(tenant, &["tenant"], "a tenant")).transpose()?,
            subscriptions: wanted(&raw.subscriptions, raw.management_groups)?,
            exclude,
            excluded: excluded(&raw.scopes.excluded)?,
            cloud: raw.cloud,
            endpoint_url: raw.endpoint_url,
        })
    }
}

fn wanted(subscriptions: &Value, groups: Option<Vec<String>>) -> Result<Wanted, TargetError> {
    let named = match subscriptions {
        Value::Null => None,
        Value::String(word) if word == "all" => None,
        Value::Array(items) if !items.is_empty() => {
            let parse = |(index, item): (usize, &Value)| {
                let path = ["subscriptions", &index.to_string()];
                guid(item.as_str().unwrap_or_default(), &path, "a subscription")
            };
            let mut named = items.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
            named.sort();
            named.dedup();
            Some(named)
        }
        _ => {
            let message = "expected `all` or a list of subscription ids in quotes";
            return Err(wrong(&["subscriptions"], message.into()));
        }
    };
    match (named, groups) {
        (Some(_), Some(_)) => Err(wrong(
            &["management_groups"],
            "subscriptions and management_groups cannot both be listed; name one of them".into(),
        )),
        (Some(named), None) => Ok(Wanted::These(named)),
        (None, Some(groups)) if groups.is_empty() => {
            Err(wrong(&["management_groups"], "expected at least one management group".into()))
        }
        (None, Some(groups)) => {
            // As documented for the name of a management group.
            let valid = |c: char| c.is_ascii_alphanumeric() || "-_.()".contains(c);
            match groups.iter().position(|group| group.is_empty() || group.len() > 90 || !group.chars().all(valid)) {
                Some(index) => Err(wrong(
                    &["management_groups", &index.to_string()],
                    format!("{:?} is not the name (id) of a management group", groups[index]),
                )),
                None => Ok(Wanted::Below(groups)),
            }
        }
        (None, None) => Ok(Wanted::All),
    }
}

/// A GUID, in lower case.
fn guid(text: &str, path: &[&str], what: &str) -> Result<Account, TargetError> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let account = (lengths == [8, 4, 4, 4, 12] && digits).then(|| Account::parse(text.to_ascii_lowercase()).ok());
    account.flatten().ok_or_else(|| {
        let example = "00000000-0000-0000-0000-000000000001";
        wrong(path, format!("{text:?} is not the id of {what}: a GUID in quotes, e.g. \"{example}\""))
    })
}

fn endpoint(url: &str) -> Result<(), TargetError> {
    let parsed = azure_core::http::Url::parse(url).ok();
    if parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some()) {
        Ok(())
    } else {
        Err(wrong(&["endpoint_url"], format!("{url:?} is not a URL such as http://127.0.0.1:5000")))
    }
}

fn excluded(entries: &[Excluded]) -> Result<BTreeMap<String, String>, TargetError> {
    let mut excluded = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let named: Vec<&String> = [&entry.service, &entry.region, &entry.kind].into_iter().flatten().collect();
        let [name] = named[..] else {
            return Err(wrong(
                &["scopes", "excluded", &index.to_string()],
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
    let guid = json!({"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"});
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "tenant": {"type": "string", "description": "id of the tenant; that of the subscriptions where nothing is said"},
            "subscriptions": {"oneOf": [{"const": "all"}, {"type": "array", "items": guid, "minItems": 1}],
                "default": "all"},
            "management_groups": {"type": "array", "items": {"type": "string"}, "minItems": 1,
                "description": "names of management groups, in place of a list of subscriptions"},
            "exclude": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                "required": ["subscription", "reason"], "properties": {"subscription": guid, "reason": reason}}},
            "scopes": {"type": "object", "additionalProperties": false, "properties": {"excluded": {"type": "array",
                "items": {"type": "object", "additionalProperties": false, "required": ["reason"], "properties": {
                    "service": {"type": "string"}, "region": {"type": "string"}, "kind": {"type": "string"}, "reason": reason}}}}},
            "cloud": {"enum": ["public", "government", "china"], "default": "public"},
            "endpoint_url": {"type": "string", "description": "stands in for every endpoint of Azure, e.g. a test server"}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn good_targets_parse() {
        assert_eq!(Target::parse(&Value::Null).unwrap().subscriptions, Wanted::All);
        let target = Target::parse(&json!({"subscriptions": [ONE.to_uppercase(), ONE], "cloud": "china"})).unwrap();
        assert_eq!(target.subscriptions, Wanted::These(vec![ONE.parse().unwrap()]));
        assert_eq!(target.cloud.manager(), "https://management.chinacloudapi.cn");
        let target = Target::parse(&json!({"subscriptions": "all", "management_groups": ["example-group"]})).unwrap();
        assert_eq!(target.subscriptions, Wanted::Below(vec!["example-group".into()]));
    }

    #[test]
    fn bad_targets_name_the_member() {
        for (value, path) in [
            (json!({"tenant": "example.com"}), "tenant"),
            (json!({"subscriptions": ["1"]}), "subscriptions.0"),
            (json!({"subscriptions": []}), "subscriptions"),
            (json!({"subscriptions": [ONE], "management_groups": ["a"]}), "management_groups"),
            (json!({"management_groups": ["a b"]}), "management_groups.0"),
            (json!({"management_groups": []}), "management_groups"),
            (json!({"endpoint_url": "localhost"}), "endpoint_url"),
            (json!({"exclude": [{"subscription": "x", "reason": "y"}]}), "exclude.0.subscription"),
            (json!({"scopes": {"excluded": [{"reason": "x"}]}}), "scopes.excluded.0"),
        ] {
            assert_eq!(Target::parse(&value).unwrap_err().path.join("."), path, "{value}");
        }
        assert_eq!(Target::parse(&json!({"tenat": ONE})).unwrap_err().path, ["tenat"]);
    }
}
