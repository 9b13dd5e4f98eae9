//! Accounts of Azure AI services, in bulk; and of each the models that it offers and the policies that filter them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use evidenced_model::{Field, Refusal};
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, last, members, parent, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::session::malformed;
use crate::values::{DIAGNOSTIC_SETTINGS, diagnostics, gone, private_endpoints, reference};

const ACCOUNT: &str = "azure.ai.account";
const DEPLOYMENT: &str = "azure.ai.deployment";
const POLICY: &str = "azure.ai.content_policy";

static ACCOUNTS: Operation = Operation {
    call: "resourcegraph:CognitiveServicesAccounts",
    permission: "Microsoft.CognitiveServices/accounts/read",
    absent: &[],
    per: Per::Page(1000),
};
static DEPLOYMENTS: Operation = Operation {
    call: "cognitiveservices:ListDeployments",
    permission: "Microsoft.CognitiveServices/accounts/deployments/read",
    absent: &[],
    per: Per::Resource(ACCOUNT),
};
static POLICIES: Operation = Operation {
    call: "cognitiveservices:ListRaiPolicies",
    permission: "Microsoft.CognitiveServices/accounts/raiPolicies/read",
    absent: &[],
    per: Per::Resource(ACCOUNT),
};
static ONE_POLICY: Operation = Operation {
    call: "cognitiveservices:GetRaiPolicy",
    permission: "Microsoft.CognitiveServices/accounts/raiPolicies/read",
    absent: &["ResourceNotFound"],
    per: Per::Resource(DEPLOYMENT),
};

/// What the collector of AI services reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.ai",
    title: "Accounts of Azure AI services, their models and content policies",
    kinds: &[ACCOUNT, DEPLOYMENT, POLICY],
    reach: Reach::Together,
    operations: &[&ACCOUNTS, &DEPLOYMENTS, &POLICIES, &ONE_POLICY, &DIAGNOSTIC_SETTINGS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: ACCOUNT,
    frame: Frame::Located,
    below: &[DEPLOYMENT, POLICY],
    operation: &ACCOUNTS,
    source: Source::Graph(Query::resources(&["microsoft.cognitiveservices/accounts"])),
    shape: account,
    details: Some(&Models),
}];

/// The version of the provider's API.
const API: &str = "api-version=2024-10-01";

fn account(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("account_kind", of("kind")).text("sku", of("sku.name"));
    draft.flag("local_auth_disabled", of("properties.disableLocalAuth"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("default_action", of("properties.networkAcls.defaultAction"));
    draft.list_or_empty("ip_rules", of("properties.networkAcls.ipRules"), |rule| text(rule, "value").map(Value::from));
    draft.list_or_empty("vnet_rules", of("properties.networkAcls.virtualNetworkRules"), |rule| reference(rule, "id"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    draft.flag("outbound_restricted", of("properties.restrictOutboundNetworkAccess"));
    draft.list_or_empty("allowed_hosts", of("properties.allowedFqdnList"), |host| host.as_str().map(Value::from));
    draft.text("key_source", of("properties.encryption.keySource"));
    let key = |name: &str| text(row, &format!("properties.encryption.keyVaultProperties.{name}"));
    match (key("keyVaultUri").filter(|uri| !uri.is_empty()), key("keyName").filter(|name| !name.is_empty())) {
        (Some(vault), Some(name)) => draft.read("key_url", format!("{}/keys/{name}", vault.trim_end_matches('/'))),
        _ => draft.absent("key_url"),
    };
    draft.text("identity_type", of("identity.type")).must(&["account_kind"]);
}

/// Kinds of accounts that offer no models of one's choice, and those of Bing. Any other is asked.
const WITHOUT_MODELS: &[&str] = &[
    "AnomalyDetector",
    "CognitiveServices",
    "ComputerVision",
    "ContentModerator",
    "ContentSafety",
    "CRIS",
    "CustomVision.Prediction",
    "CustomVision.Training",
    "Emotion",
    "Face",
    "FormRecognizer",
    "ImmersiveReader",
    "LUIS",
    "LUIS.Authoring",
    "MetricsAdvisor",
    "Personalizer",
    "QnAMaker",
    "SpeechServices",
    "TextAnalytics",
    "TextTranslation",
];

fn offers_models(account: &Draft) -> bool {
    match account.resource.field("account_kind") {
        Field::Read(Value::String(kind)) => {
            let bing = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("bing."));
            !bing && !WITHOUT_MODELS.iter().any(|one| one.eq_ignore_ascii_case(kind))
        }
        _ => true,
    }
}

struct Models;

#[async_trait]
impl Details for Models {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        if offers_models(draft) {
            let named = deployments(item, draft).await;
            policies(item, draft, named).await;
        }
        diagnostics(item, draft, ACCOUNT, "diagnostic_settings").await;
    }
}

/// What belongs to an account stands where the account stands.
fn inside(
    item: &Item<'_>,
    kind: &'static str,
    row: &Value,
    account: &Draft,
    operation: &'static Operation,
) -> Option<Draft> {
    let mut draft = item.below(kind, row, account, operation)?;
    for field in ["location", "tags"] {
        if draft.resource.field(field) == &Field::Absent {
            draft.resource.fields.insert(field.to_owned(), account.resource.field(field).clone());
        }
    }
    draft.id("account", text(row, "id").and_then(parent).map(Value::from).as_ref()).must(&["account"]);
    Some(draft)
}

/// Writes the deployments, and tells which policies they name.
async fn deployments(item: &Item<'_>, account: &Draft) -> BTreeSet<String> {
    let (found, refusal) = item.list(&DEPLOYMENTS, &format!("/deployments?{API}")).await;
    match refusal {
        Some(refusal) if gone(&refusal) => item.vanished(account),
        Some(refusal) => {
            // A policy that only a deployment names is missed as well.
            item.gap(POLICY, refusal.clone());
            item.gap(DEPLOYMENT, refusal);
        }
        None => {}
    }
    let mut named = BTreeSet::new();
    for row in &found {
        let Some(mut draft) = inside(item, DEPLOYMENT, row, account, &DEPLOYMENTS) else {
            item.gap(DEPLOYMENT, malformed(&DEPLOYMENTS));
            continue;
        };
        named.extend(text(row, "properties.raiPolicyName").filter(|name| !name.is_empty()).map(str::to_owned));
        deployment(row, &account.resource.id, &mut draft);
        item.emit(draft.resource).await;
    }
    named
}

fn deployment(row: &Value, account: &str, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("model_name", of("properties.model.name")).text("model_format", of("properties.model.format"));
    draft.text("model_version", of("properties.model.version"));
    match of("properties.capabilities") {
        Some(Value::Object(all)) => {
            // The answer writes flags as text, and other things beside them.
            let yes = |value: &Value| match value {
                Value::Bool(on) => Some(*on),
                Value::String(word) => Some(word.eq_ignore_ascii_case("true")),
                Value::Null => Some(false),
                _ => None,
            };
            draft.derive("capabilities", || {
                let can: Option<Vec<_>> = all.iter().map(|(name, value)| Some((name.as_str(), yes(value)?))).collect();
                let mut can: Vec<&str> = can?.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
                can.sort_unstable();
                Some(can)
            });
        }
        other => drop(draft.list("capabilities", other, |_| None)),
    }
    let policy = text(row, "properties.raiPolicyName").filter(|name| !name.is_empty());
    draft.text("policy_name", policy.map(Value::from).as_ref());
    draft.id("policy", policy.map(|name| Value::from(format!("{account}/raipolicies/{name}"))).as_ref());
    draft.must(&["model_name", "policy_name", "policy"]);
}

async fn policies(item: &Item<'_>, account: &Draft, mut named: BTreeSet<String>) {
    let (found, refusal) = item.list(&POLICIES, &format!("/raiPolicies?{API}")).await;
    let whole = refusal.is_none();
    if let Some(refusal) = refusal.filter(|refusal| !gone(refusal)) {
        item.gap(POLICY, refusal);
    }
    for row in &found {
        let Some(mut draft) = inside(item, POLICY, row, account, &POLICIES) else {
            item.gap(POLICY, malformed(&POLICIES));
            continue;
        };
        named.retain(|name| !name.eq_ignore_ascii_case(last(&draft.resource.id)));
        policy(row, &mut draft);
        item.emit(draft.resource).await;
    }
    // The listing may leave out the service's own.
    if whole {
        for name in named {
            one_policy(item, account, &name).await;
        }
    }
}

async fn one_policy(item: &Item<'_>, account: &Draft, name: &str) {
    let answer = item.get(&ONE_POLICY, &format!("/raiPolicies/{name}?{API}")).await;
    let known = |answer: &Value| inside(item, POLICY, answer, account, &ONE_POLICY);
    match answer.map(|answer| answer.map(|answer| (known(&answer), answer))) {
        Ok(Some((Some(mut draft), answer))) => {
            policy(&answer, &mut draft);
            item.emit(draft.resource).await;
        }
        Ok(Some((None, _))) => item.gap(POLICY, malformed(&ONE_POLICY)),
        Ok(None) => {}
        Err(refusal) => unread_policy(item, account, name, &refusal).await,
    }
}

/// A deployment names it, so it is there.
async fn unread_policy(item: &Item<'_>, account: &Draft, name: &str, refusal: &Refusal) {
    let own = format!("{}/raipolicies/{}", account.resource.id, id(name));
    let row = serde_json::json!({"id": own, "name": name});
    if let Some(mut draft) = inside(item, POLICY, &row, account, &ONE_POLICY) {
        draft.unread(&["policy_type", "base_policy", "mode", "filters"], refusal);
        item.emit(draft.resource).await;
    }
}

fn policy(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("policy_type", of("properties.type")).text("base_policy", of("properties.basePolicyName"));
    draft.text("mode", of("properties.mode"));
    draft.list("filters", of("properties.contentFilters"), |filter| {
        let word = |name: &str| text(filter, name).map(Value::from);
        let on = |name: &str| flag(filter, name).map(Value::from);
        Some(members([
            ("name", Some(word("name")?)),
            ("source", word("source")),
            ("enabled", on("enabled")),
            ("blocking", on("blocking")),
            ("threshold", word("severityThreshold")),
        ]))
    });
    draft.must(&["filters"]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn every_kind_that_is_not_known_to_offer_none_is_asked() {
        let of = |kind: Value| offers_models(&shaped(&PARTS[0], &json!({"id": "/a", "kind": kind})));
        assert!(of(json!("OpenAI")) && of(json!("AIServices")) && of(json!("Tomorrow")) && of(Value::Null));
        assert!(!of(json!("face")) && !of(json!("Bing.Search")) && !of(json!("SpeechServices")));
    }

    #[test]
    fn a_deployment_without_a_policy_leaves_it_unread() {
        let of = |properties: Value| {
            let mut draft = shaped(&PARTS[0], &json!({"id": "/a"}));
            deployment(&json!({"properties": properties}), "/accounts/a", &mut draft);
            draft
        };
        let draft = of(json!({"model": {"name": "gpt-4o"}, "raiPolicyName": "",
            "capabilities": {"embeddings": "false", "chatCompletion": "true", "assistants": true, "area": "EUR"}}));
        assert!(matches!(draft.resource.field("policy"), Field::Unread(_)));
        assert!(matches!(draft.resource.field("policy_name"), Field::Unread(_)));
        assert_eq!(draft.resource.field("capabilities"), &Field::Read(json!(["assistants", "chatCompletion"])));
        let draft = of(json!({"raiPolicyName": "Microsoft.Default"}));
        assert_eq!(draft.resource.field("policy"), &Field::Read(json!("/accounts/a/raipolicies/microsoft.default")));
        assert_eq!(draft.resource.field("capabilities"), &Field::Absent);
        assert!(matches!(draft.resource.field("model_name"), Field::Unread(_)));
    }

    #[test]
    fn a_policy_without_filters_is_not_read_as_one_with_none() {
        let of = |properties: Value| {
            let mut draft = shaped(&PARTS[0], &json!({"id": "/a"}));
            policy(&json!({"properties": properties}), &mut draft);
            draft.resource.field("filters").clone()
        };
        assert!(matches!(of(json!({"mode": "Default"})), Field::Unread(_)));
        assert_eq!(of(json!({"contentFilters": []})), Field::Read(json!([])));
        let filters = json!([{"name": "Hate", "source": "Prompt", "enabled": true, "blocking": true}]);
        let read = json!([{"name": "Hate", "source": "Prompt", "enabled": true, "blocking": true, "threshold": null}]);
        assert_eq!(of(json!({"contentFilters": filters})), Field::Read(read));
    }
}
