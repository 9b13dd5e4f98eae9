//! The operations of the collector of networks.

use evidenced_kit::{Operation, Per};

use super::GATEWAY;
use crate::rights::LIST_PERMISSIONS;

pub(super) static SECURITY_GROUPS: Operation = Operation {
    call: "resourcegraph:NetworkSecurityGroups",
    permission: "Microsoft.Network/networkSecurityGroups/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static VNETS: Operation = Operation {
    call: "resourcegraph:VirtualNetworks",
    permission: "Microsoft.Network/virtualNetworks/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static FLOW_LOGS: Operation = Operation {
    call: "resourcegraph:FlowLogs",
    permission: "Microsoft.Network/networkWatchers/flowLogs/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static WATCHERS: Operation = Operation {
    call: "resourcegraph:NetworkWatchers",
    permission: "Microsoft.Network/networkWatchers/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static GATEWAY_POLICIES: Operation = Operation {
    call: "resourcegraph:WafPolicies",
    permission: "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static FRONT_DOOR_POLICIES: Operation = Operation {
    call: "resourcegraph:FrontDoorWafPolicies",
    permission: "Microsoft.Network/frontDoorWebApplicationFirewallPolicies/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static GATEWAYS: Operation = Operation {
    call: "resourcegraph:ApplicationGateways",
    permission: "Microsoft.Network/applicationGateways/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static FRONT_DOORS: Operation = Operation {
    call: "resourcegraph:FrontDoors",
    permission: "Microsoft.Cdn/profiles/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static CLASSIC_FRONT_DOORS: Operation = Operation {
    call: "resourcegraph:ClassicFrontDoors",
    permission: "Microsoft.Network/frontDoors/read",
    absent: &[],
    per: Per::Page(1000),
};
pub(super) static ENDPOINTS: Operation = Operation {
    call: "cdn:ListEndpoints",
    permission: "Microsoft.Cdn/profiles/afdEndpoints/read",
    absent: &[],
    per: Per::Resource(GATEWAY),
};
pub(super) static DOMAINS: Operation = Operation {
    call: "cdn:ListCustomDomains",
    permission: "Microsoft.Cdn/profiles/customDomains/read",
    absent: &[],
    per: Per::Resource(GATEWAY),
};
pub(super) static SECURITY_POLICIES: Operation = Operation {
    call: "cdn:ListSecurityPolicies",
    permission: "Microsoft.Cdn/profiles/securityPolicies/read",
    absent: &[],
    per: Per::Resource(GATEWAY),
};

/// All of them.
pub(super) static ALL: &[&Operation] = &[
    &SECURITY_GROUPS,
    &VNETS,
    &FLOW_LOGS,
    &WATCHERS,
    &GATEWAY_POLICIES,
    &FRONT_DOOR_POLICIES,
    &GATEWAYS,
    &FRONT_DOORS,
    &CLASSIC_FRONT_DOORS,
    &ENDPOINTS,
    &DOMAINS,
    &SECURITY_POLICIES,
    &LIST_PERMISSIONS,
];
