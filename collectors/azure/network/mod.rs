//! Networks, in bulk: security groups with their rules, virtual networks with their subnets, records of traffic, and
//! where web traffic comes in.

mod operations;
mod web;

use async_trait::async_trait;
use evidenced_kit::{Manifest, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, items, members, number, text, texts};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::session::malformed;
use crate::values::reference;
use operations::{FLOW_LOGS, SECURITY_GROUPS, VNETS, WATCHERS};

const NSG: &str = "azure.network.nsg";
const VNET: &str = "azure.network.vnet";
const SUBNET: &str = "azure.network.subnet";
const FLOW_LOG: &str = "azure.network.flow_log";
const WATCHER: &str = "azure.network.watcher";
const WAF_POLICY: &str = "azure.network.waf_policy";
const GATEWAY: &str = "azure.network.application_gateway";

/// What the collector of networks reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.network",
    title: "Networks: security groups, virtual networks, records of traffic, web firewalls",
    kinds: &[NSG, VNET, SUBNET, FLOW_LOG, WATCHER, WAF_POLICY, GATEWAY],
    reach: Reach::Together,
    operations: operations::ALL,
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: NSG,
        frame: Frame::Located,
        below: &[],
        operation: &SECURITY_GROUPS,
        source: Source::Graph(Query::resources(&["microsoft.network/networksecuritygroups"])),
        shape: security_group,
        details: None,
    },
    Part {
        kind: VNET,
        frame: Frame::Located,
        below: &[SUBNET],
        operation: &VNETS,
        source: Source::Graph(Query::resources(&["microsoft.network/virtualnetworks"])),
        shape: vnet,
        details: Some(&Subnets),
    },
    Part {
        kind: FLOW_LOG,
        frame: Frame::Located,
        below: &[],
        operation: &FLOW_LOGS,
        source: Source::Graph(Query::resources(&["microsoft.network/networkwatchers/flowlogs"])),
        shape: flow_log,
        details: None,
    },
    Part {
        kind: WATCHER,
        frame: Frame::Located,
        below: &[],
        operation: &WATCHERS,
        source: Source::Graph(Query::resources(&["microsoft.network/networkwatchers"])),
        shape: watcher,
        details: None,
    },
    web::GATEWAY_POLICIES,
    web::FRONT_DOOR_POLICIES,
    web::GATEWAYS,
    web::FRONT_DOORS,
    web::CLASSIC_FRONT_DOORS,
];

/// The ids of a list's elements, sorted; none where there is no list.
fn ids(draft: &mut Draft, field: &str, list: Option<&Value>) {
    let mut list = list.cloned();
    if let Some(Value::Array(list)) = &mut list {
        list.sort_by_key(|one| text(one, "id").map(id));
    }
    draft.list_or_empty(field, list.as_ref(), |one| reference(one, "id"));
}

fn security_group(row: &Value, draft: &mut Draft) {
    let mut rules = at(row, "properties.securityRules").cloned();
    if let Some(Value::Array(rules)) = &mut rules {
        rules.sort_by_key(|rule| {
            let direction = text(rule, "properties.direction").map(str::to_lowercase);
            (direction, number(rule, "properties.priority"), text(rule, "name").map(str::to_owned))
        });
    }
    draft.list("rules", rules.as_ref(), rule).must(&["rules"]);
    ids(draft, "subnets", at(row, "properties.subnets"));
    ids(draft, "interfaces", at(row, "properties.networkInterfaces"));
}

/// A rule as Azure writes it. One that does not say what it does makes the list unread.
fn rule(rule: &Value) -> Option<Value> {
    let of = |member: &str| at(rule, "properties").and_then(|properties| at(properties, member));
    let one = |member: &str| of(member).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Value::from);
    let many = |member: &str| match of(member) {
        None => Some(Value::Array(Vec::new())),
        Some(list) => list.as_array()?.iter().all(Value::is_string).then(|| list.clone()),
    };
    let groups = |member: &str| match of(member) {
        None => Some(Value::Array(Vec::new())),
        Some(list) => {
            list.as_array()?.iter().map(|one| reference(one, "id")).collect::<Option<Vec<_>>>().map(Value::from)
        }
    };
    let said = |member: &str| one(member).map(Some);
    // A place that cannot be read is not left out: it may be every place.
    let places = ["sourceAddressPrefix", "sourcePortRange", "destinationAddressPrefix", "destinationPortRange"];
    places.iter().all(|member| of(member).is_none_or(Value::is_string)).then_some(())?;
    Some(members([
        ("name", text(rule, "name").map(Value::from)),
        ("priority", Some(number(rule, "properties.priority")?.into())),
        ("direction", said("direction")?),
        ("access", said("access")?),
        ("protocol", said("protocol")?),
        ("source_address_prefix", one("sourceAddressPrefix")),
        ("source_address_prefixes", Some(many("sourceAddressPrefixes")?)),
        ("source_asgs", Some(groups("sourceApplicationSecurityGroups")?)),
        ("source_port_range", one("sourcePortRange")),
        ("source_port_ranges", Some(many("sourcePortRanges")?)),
        ("destination_address_prefix", one("destinationAddressPrefix")),
        ("destination_address_prefixes", Some(many("destinationAddressPrefixes")?)),
        ("destination_asgs", Some(groups("destinationApplicationSecurityGroups")?)),
        ("destination_port_range", one("destinationPortRange")),
        ("destination_port_ranges", Some(many("destinationPortRanges")?)),
    ]))
}

fn vnet(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.texts("address_space", of("properties.addressSpace.addressPrefixes"));
    let mut subnets = of("properties.subnets").cloned();
    if let Some(Value::Array(subnets)) = &mut subnets {
        subnets.sort_by_key(|one| text(one, "id").map(id));
    }
    draft.list("subnets", subnets.as_ref(), |one| {
        let own = Some(reference(one, "id")?);
        at(one, "properties")?;
        let (name, nsg) = (text(one, "name").map(Value::from), reference(one, "properties.networkSecurityGroup.id"));
        Some(members([("id", own), ("name", name), ("nsg_id", nsg), ("in_use", Some(in_use(one).into()))]))
    });
    draft.list_or_empty("peerings", of("properties.virtualNetworkPeerings"), |one| {
        at(one, "properties")?;
        let remote = reference(one, "properties.remoteVirtualNetwork.id");
        let on = |path: &str| flag(one, path).map(Value::from);
        Some(members([
            ("remote_id", remote),
            ("state", text(one, "properties.peeringState").map(Value::from)),
            ("forwarded_traffic", on("properties.allowForwardedTraffic")),
            ("gateway_transit", on("properties.allowGatewayTransit")),
        ]))
    });
    // Both are left out where nobody asked for them.
    let off = Value::Bool(false);
    draft.flag("ddos_plan", of("properties.enableDdosProtection").or(Some(&off)));
    draft.flag("encrypted", of("properties.encryption.enabled").or(Some(&off)));
    draft.must(&["address_space", "subnets"]);
}

/// Whether something has an address in a subnet, or holds it for itself.
fn in_use(subnet: &Value) -> bool {
    const USES: [&str; 6] = [
        "applicationGatewayIPConfigurations",
        "ipConfigurationProfiles",
        "ipConfigurations",
        "privateEndpoints",
        "resourceNavigationLinks",
        "serviceAssociationLinks",
    ];
    USES.iter().any(|member| items(subnet, &format!("properties.{member}")).next().is_some())
}

struct Subnets;

#[async_trait]
impl Details for Subnets {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        let Some(Value::Array(found)) = at(item.row, "properties.subnets") else {
            item.gap(SUBNET, malformed(&VNETS));
            return;
        };
        for row in found {
            match item.below(SUBNET, row, draft, &VNETS) {
                Some(mut below) => {
                    below.resource.fields.remove("tags");
                    for (name, own) in [("location", "location"), ("vnet_id", "id")] {
                        below.resource.fields.insert(name.to_owned(), draft.resource.field(own).clone());
                    }
                    subnet(row, &mut below);
                    item.emit(below.resource).await;
                }
                None => item.gap(SUBNET, malformed(&VNETS)),
            }
        }
    }
}

fn subnet(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.derive("prefixes", || {
        let mut prefixes = texts(row, "properties.addressPrefixes");
        prefixes.extend(text(row, "properties.addressPrefix").filter(|_| prefixes.is_empty()).map(str::to_owned));
        Some(prefixes).filter(|prefixes| !prefixes.is_empty())
    });
    draft.id("nsg_id", of("properties.networkSecurityGroup.id")).id("route_table_id", of("properties.routeTable.id"));
    draft.list_or_empty("delegations", of("properties.delegations"), |one| {
        text(one, "properties.serviceName").map(Value::from)
    });
    let mut reached = of("properties.serviceEndpoints").cloned();
    if let Some(Value::Array(reached)) = &mut reached {
        reached.sort_by_key(|one| text(one, "service").map(str::to_owned));
    }
    draft.list_or_empty("service_endpoints", reached.as_ref(), |one| text(one, "service").map(Value::from));
    draft.flag("default_outbound", of("properties.defaultOutboundAccess"));
    draft.derive("in_use", || Some(in_use(row)).filter(|_| of("properties").is_some()));
}

fn flow_log(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    let (off, never) = (Value::Bool(false), Value::from(0));
    draft.id("target_id", of("properties.targetResourceId")).flag("enabled", of("properties.enabled"));
    draft.flag("retention_on", of("properties.retentionPolicy.enabled").or(Some(&off)));
    draft.int("retention_days", of("properties.retentionPolicy.days").or(Some(&never)));
    draft.id("storage_account_id", of("properties.storageId"));
    let analysed = of("properties.flowAnalyticsConfiguration.networkWatcherFlowAnalyticsConfiguration");
    let analysed = analysed.filter(|one| flag(one, "enabled") == Some(true));
    // A dash stands for none.
    let workspace = analysed.and_then(|one| at(one, "workspaceResourceId"));
    draft.id("workspace_id", workspace.filter(|own| own.as_str() != Some("-")));
    draft.text("state", of("properties.provisioningState")).must(&["target_id", "enabled"]);
}

fn watcher(row: &Value, draft: &mut Draft) {
    draft.text("state", at(row, "properties.provisioningState")).must(&["state"]);
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    fn rules(rules: &Value) -> Field {
        let row = json!({"id": "/a", "properties": {"securityRules": rules}});
        shaped(&PARTS[0], &row).resource.field("rules").clone()
    }

    #[test]
    fn rules_stand_by_direction_and_priority() {
        let one = |name: &str, direction: &str, priority: i64| {
            json!({"name": name, "properties": {"direction": direction, "priority": priority, "access": "Allow",
                "protocol": "*", "sourceAddressPrefix": "", "sourceAddressPrefixes": ["10.0.0.0/8"],
                "sourceApplicationSecurityGroups": [{"id": "/Subscriptions/S/A"}]}})
        };
        let read = rules(&json!([one("c", "Outbound", 100), one("b", "Inbound", 300), one("a", "inbound", 200)]));
        let Field::Read(Value::Array(read)) = read else { panic!("{read:?}") };
        assert_eq!(read.iter().filter_map(|rule| rule["name"].as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(read[0]["source_address_prefix"], Value::Null);
        assert_eq!(read[0]["source_asgs"], json!(["/subscriptions/s/a"]));
        assert_eq!(read[0]["destination_port_ranges"], json!([]));
    }

    #[test]
    fn a_rule_that_does_not_say_what_it_does_is_not_left_out() {
        assert_eq!(rules(&json!([])), Field::Read(json!([])));
        assert!(matches!(rules(&Value::Null), Field::Unread(_)));
        let half = json!([{"name": "a", "properties": {"direction": "Inbound", "priority": 100, "protocol": "*"}}]);
        assert!(matches!(rules(&half), Field::Unread(_)));
    }

    #[test]
    fn a_subnet_is_in_use_where_something_has_an_address() {
        assert!(!in_use(&json!({"properties": {"ipConfigurations": [], "delegations": [{}]}})));
        assert!(!in_use(&json!({"properties": {"privateEndpoints": null}})));
        assert!(in_use(&json!({"properties": {"ipconfigurations": [{"id": "/a"}]}})));
        assert!(in_use(&json!({"properties": {"serviceAssociationLinks": [{"id": "/a"}]}})));
    }

    #[test]
    fn a_flow_log_without_analytics_has_no_workspace() {
        let of = |analytics: Value| {
            let row = json!({"id": "/a", "properties": {"targetResourceId": "/T", "enabled": true,
                "flowAnalyticsConfiguration": {"networkWatcherFlowAnalyticsConfiguration": analytics}}});
            shaped(&PARTS[2], &row).resource
        };
        let none = of(json!({"enabled": false, "workspaceId": "-", "workspaceResourceId": "/W"}));
        assert_eq!(none.field("workspace_id"), &Field::Absent);
        assert_eq!(none.field("retention_days"), &Field::Read(json!(0)));
        assert_eq!(of(json!({"enabled": true, "workspaceResourceId": "-"})).field("workspace_id"), &Field::Absent);
        let some = of(json!({"enabled": true, "workspaceResourceId": "/W"}));
        assert_eq!(some.field("workspace_id"), &Field::Read(json!("/w")));
    }
}
