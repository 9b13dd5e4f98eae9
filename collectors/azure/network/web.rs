//! Where web traffic comes in, and the firewalls before it: application gateways, Front Door in both its generations.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use evidenced_kit::Operation;
use evidenced_model::{Field, Refusal};
use serde_json::Value;

use super::{GATEWAY, WAF_POLICY, operations};
use crate::draft::{Draft, at, flag, items, members, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::session::malformed;
use crate::values::{gone, reference};

/// Firewall policies of application gateways.
pub(super) const GATEWAY_POLICIES: Part = Part {
    kind: WAF_POLICY,
    frame: Frame::Located,
    below: &[],
    operation: &operations::GATEWAY_POLICIES,
    source: Source::Graph(Query::resources(&["microsoft.network/applicationgatewaywebapplicationfirewallpolicies"])),
    shape: gateway_policy,
    details: None,
};
/// Firewall policies of Front Door.
pub(super) const FRONT_DOOR_POLICIES: Part = Part {
    kind: WAF_POLICY,
    frame: Frame::Located,
    below: &[],
    operation: &operations::FRONT_DOOR_POLICIES,
    source: Source::Graph(Query::resources(&["microsoft.network/frontdoorwebapplicationfirewallpolicies"])),
    shape: front_door_policy,
    details: None,
};
/// Application gateways.
pub(super) const GATEWAYS: Part = Part {
    kind: GATEWAY,
    frame: Frame::Located,
    below: &[],
    operation: &operations::GATEWAYS,
    source: Source::Graph(Query::resources(&["microsoft.network/applicationgateways"])),
    shape: gateway,
    details: None,
};
/// Profiles of Front Door, whose endpoints and domains are what traffic comes to.
pub(super) const FRONT_DOORS: Part = Part {
    kind: GATEWAY,
    frame: Frame::Above,
    below: &[],
    operation: &operations::FRONT_DOORS,
    source: Source::Graph(Query {
        table: "resources",
        types: &["microsoft.cdn/profiles"],
        narrowed: " | where sku.name endswith 'AzureFrontDoor'",
    }),
    shape: nothing,
    details: Some(&Profile),
};
/// Front Doors of the first generation.
pub(super) const CLASSIC_FRONT_DOORS: Part = Part {
    kind: GATEWAY,
    frame: Frame::Above,
    below: &[],
    operation: &operations::CLASSIC_FRONT_DOORS,
    source: Source::Graph(Query::resources(&["microsoft.network/frontdoors"])),
    shape: nothing,
    details: Some(&Classic),
};

/// The version of the API of Front Door.
const API: &str = "api-version=2024-02-01";

fn nothing(_: &Value, _: &mut Draft) {}

fn gateway_policy(row: &Value, draft: &mut Draft) {
    draft.read("service", "ApplicationGateway").switch("enabled", at(row, "properties.policySettings.state"));
    policy(row, draft);
}

fn front_door_policy(row: &Value, draft: &mut Draft) {
    draft.read("service", "FrontDoor").switch("enabled", at(row, "properties.policySettings.enabledState"));
    policy(row, draft);
}

fn policy(row: &Value, draft: &mut Draft) {
    draft.text("mode", at(row, "properties.policySettings.mode"));
    draft.list_or_empty("rule_sets", at(row, "properties.managedRules.managedRuleSets"), |set| {
        let kind = Some(text(set, "ruleSetType")?.into());
        Some(members([("type", kind), ("version", text(set, "ruleSetVersion").map(Value::from))]))
    });
    draft.derive("exclusions", || Some(at(row, "properties.managedRules").map_or(0, exclusions)));
    draft.must(&["enabled", "mode"]);
}

/// Exclusions stand on all managed rules, on a set, a group or a rule.
fn exclusions(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(exclusions).sum(),
        Value::Object(of) => {
            let own = items(value, "exclusions").count();
            let below = of.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("exclusions"));
            own + below.map(|(_, value)| exclusions(value)).sum::<usize>()
        }
        _ => 0,
    }
}

fn gateway(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.read("service", "ApplicationGateway").text("tier", of("properties.sku.tier").or_else(|| of("sku.tier")));
    match of("properties.frontendIPConfigurations").and_then(Value::as_array) {
        Some(fronts) => {
            // Whatever it is that stands there, an address is in front.
            let public = |front: &Value| at(front, "properties.publicIPAddress").is_some();
            draft.derive("on_internet", || {
                let told = fronts.iter().all(|front| at(front, "properties").is_some());
                Some(fronts.iter().any(public)).filter(|_| told)
            });
        }
        None => draft.malformed(&["on_internet"]),
    }
    draft.id("waf_policy_id", of("properties.firewallPolicy.id"));
    draft.derive("part_policy_ids", || {
        let paths = items(row, "properties.urlPathMaps").flat_map(|map| items(map, "properties.pathRules"));
        let parts = items(row, "properties.httpListeners").chain(paths);
        let own_policy = parts.filter(|part| at(part, "properties.firewallPolicy").is_some());
        let policies = own_policy.map(|part| own(part, "properties.firewallPolicy.id"));
        policies.collect::<Option<BTreeSet<_>>>().map(Vec::from_iter)
    });
    draft.flag("inline_waf_on", of("properties.webApplicationFirewallConfiguration.enabled"));
    draft.text("inline_waf_mode", of("properties.webApplicationFirewallConfiguration.firewallMode"));
}

/// An id by its path, in lower case.
fn own(value: &Value, path: &str) -> Option<String> {
    reference(value, path)?.as_str().map(str::to_owned)
}

/// A place of Front Door's, which has no firewall of its own inside.
fn door(
    item: &Item<'_>,
    row: &Value,
    above: &Draft,
    operation: &'static Operation,
    service: &'static str,
) -> Option<Draft> {
    let Some(mut draft) = item.below(GATEWAY, row, above, operation) else {
        item.gap(GATEWAY, malformed(operation));
        return None;
    };
    for name in ["location", "tags"] {
        if draft.resource.field(name) == &Field::Absent {
            draft.resource.fields.insert(name.to_owned(), above.resource.field(name).clone());
        }
    }
    draft.read("service", service).absent_all(&["inline_waf_on", "inline_waf_mode"]);
    Some(draft)
}

struct Classic;

#[async_trait]
impl Details for Classic {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        let Some(Value::Array(fronts)) = at(item.row, "properties.frontendEndpoints") else {
            item.gap(GATEWAY, malformed(draft.operation));
            return;
        };
        for front in fronts {
            let Some(mut below) = door(item, front, draft, draft.operation, "FrontDoorClassic") else { continue };
            below.absent("tier").switch("on_internet", at(item.row, "properties.enabledState"));
            below.id("waf_policy_id", at(front, "properties.webApplicationFirewallPolicyLink.id"));
            below.read("part_policy_ids", Vec::<String>::new()).must(&["on_internet"]);
            item.emit(below.resource).await;
        }
    }
}

struct Profile;

#[async_trait]
impl Details for Profile {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        let Some(tier) = text(item.row, "sku.name") else {
            item.gap(GATEWAY, malformed(draft.operation));
            return;
        };
        // The other profiles are of a network for content: nothing of it stands here.
        if !tier.to_lowercase().ends_with("azurefrontdoor") {
            return;
        }
        let firewalls = Firewalls::of(item).await;
        for (operation, path) in [(&operations::ENDPOINTS, "afdEndpoints"), (&operations::DOMAINS, "customDomains")] {
            let (found, refusal) = item.list(operation, &format!("/{path}?{API}")).await;
            if let Some(refusal) = refusal.filter(|refusal| !gone(refusal)) {
                item.gap(GATEWAY, refusal);
            }
            for row in &found {
                let Some(mut below) = door(item, row, draft, operation, "FrontDoor") else { continue };
                below.read("tier", tier);
                if path == "afdEndpoints" {
                    below.switch("on_internet", at(row, "properties.enabledState")).must(&["on_internet"]);
                } else {
                    below.read("on_internet", true);
                }
                match &firewalls {
                    Ok(firewalls) => firewalls.write(&mut below),
                    Err(refusal) => below.unread(&["waf_policy_id", "part_policy_ids"], refusal),
                }
                item.emit(below.resource).await;
            }
        }
    }
}

/// The firewall policies of a profile, by the id of the endpoint or domain: for all of it, and for some paths only.
#[derive(Default)]
struct Firewalls {
    whole: BTreeMap<String, BTreeSet<String>>,
    parts: BTreeMap<String, BTreeSet<String>>,
}

impl Firewalls {
    /// Security policies say which firewall policy stands before which domains.
    async fn of(item: &Item<'_>) -> Result<Self, Refusal> {
        let operation = &operations::SECURITY_POLICIES;
        let mut firewalls = Self::default();
        match item.list(operation, &format!("/securityPolicies?{API}")).await {
            (_, Some(refusal)) => Err(refusal),
            (found, None) => {
                let taken = found.iter().map(|one| firewalls.take(one)).collect::<Option<Vec<()>>>();
                taken.map(|_| firewalls).ok_or_else(|| malformed(operation))
            }
        }
    }

    /// Takes in a security policy; `None` where it does not say what it is.
    fn take(&mut self, one: &Value) -> Option<()> {
        let parameters = at(one, "properties.parameters")?;
        if !text(parameters, "type")?.eq_ignore_ascii_case("WebApplicationFirewall") {
            return Some(());
        }
        let policy = own(parameters, "wafPolicy.id")?;
        for association in at(parameters, "associations")?.as_array()? {
            let patterns: Vec<&str> = items(association, "patternsToMatch").filter_map(Value::as_str).collect();
            let whole = patterns.is_empty() || patterns.contains(&"/*");
            let active = items(association, "domains").filter(|one| flag(one, "isActive") != Some(false));
            for domain in active.filter_map(|one| own(one, "id")) {
                let map = if whole { &mut self.whole } else { &mut self.parts };
                map.entry(domain).or_default().insert(policy.clone());
            }
        }
        Some(())
    }

    fn write(&self, draft: &mut Draft) {
        let of = |map: &BTreeMap<String, BTreeSet<String>>| map.get(&draft.resource.id).cloned().unwrap_or_default();
        let (mut whole, mut parts) = (of(&self.whole), of(&self.parts));
        match whole.pop_first() {
            Some(policy) => draft.read("waf_policy_id", policy),
            None => draft.absent("waf_policy_id"),
        };
        parts.append(&mut whole);
        draft.read("part_policy_ids", Vec::from_iter(parts));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_gateway_with_a_public_address_is_on_the_internet() {
        let of = |fronts: Value| {
            let row = json!({"id": "/a", "properties": {"frontendIPConfigurations": fronts}});
            shaped(&GATEWAYS, &row).resource.field("on_internet").clone()
        };
        let private = json!({"properties": {"subnet": {"id": "/s"}, "publicIPAddress": null}});
        let public = json!({"properties": {"publicIPAddress": {"id": "/p"}}});
        assert_eq!(of(json!([private])), Field::Read(json!(false)));
        assert_eq!(of(json!([private, public])), Field::Read(json!(true)));
        assert!(matches!(of(Value::Null), Field::Unread(_)));
    }

    #[test]
    fn exclusions_count_wherever_they_stand() {
        let set = json!({"ruleSetType": "X", "exclusions": [{}], "ruleGroupOverrides": [{"exclusions": null,
            "rules": [{"exclusions": [{}, {}]}]}]});
        let row = json!({"id": "/a", "properties": {"policySettings": {"enabledState": "Enabled"},
            "managedRules": {"exclusions": [{}], "managedRuleSets": [set]}}});
        let draft = shaped(&FRONT_DOOR_POLICIES, &row);
        assert_eq!(draft.resource.field("exclusions"), &Field::Read(json!(4)));
        assert_eq!(draft.resource.field("rule_sets"), &Field::Read(json!([{"type": "X", "version": null}])));
        assert!(matches!(draft.resource.field("mode"), Field::Unread(_)));
    }

    #[test]
    fn a_security_policy_that_does_not_name_its_firewall_is_no_answer() {
        let of = |parameters: Value| {
            let mut firewalls = Firewalls::default();
            firewalls.take(&json!({"properties": {"parameters": parameters}})).map(|()| firewalls)
        };
        let associations = json!([{"domains": [{"id": "/D"}, {"id": "/E", "isActive": false}], "patternsToMatch": ["/*"]},
            {"domains": [{"id": "/D"}], "patternsToMatch": ["/api/*"]}]);
        let parameters =
            json!({"type": "WebApplicationFirewall", "wafPolicy": {"id": "/P"}, "associations": associations});
        let firewalls = of(parameters).unwrap();
        assert_eq!(firewalls.whole, BTreeMap::from([("/d".to_owned(), BTreeSet::from(["/p".to_owned()]))]));
        assert_eq!(firewalls.parts.len(), 1);
        assert!(of(json!({"type": "WebApplicationFirewall", "associations": []})).is_none());
        assert!(of(json!({"type": "Other"})).is_some());
    }
}
