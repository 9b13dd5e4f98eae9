//! Microsoft Defender for Cloud: its plans and what it says of resources, in bulk; whom it tells, and which ports of
//! machines it opens on request.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, items, members, number, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{NOT_REGISTERED, reference};

const PLAN: &str = "azure.defender.plan";
const CONTACT: &str = "azure.defender.contact";
const ASSESSMENT: &str = "azure.defender.assessment";
const JIT_POLICY: &str = "azure.defender.jit_policy";

static PLANS: Operation = Operation {
    call: "resourcegraph:DefenderPricings",
    permission: "Microsoft.Security/pricings/read",
    absent: &[],
    per: Per::Page(1000),
};
static CONTACTS: Operation = Operation {
    call: "security:ListSecurityContacts",
    permission: "Microsoft.Security/securityContacts/read",
    // Where there are no contacts, some versions of the API know no such resource.
    absent: &[
        "MissingSubscriptionRegistration",
        "NotFound",
        "ResourceNotFound",
        "Subscription Not Registered",
        "SubscriptionNotRegistered",
    ],
    per: Per::Start,
};
static ASSESSMENTS: Operation = Operation {
    call: "resourcegraph:DefenderAssessments",
    permission: "Microsoft.Security/assessments/read",
    absent: &[],
    per: Per::Page(1000),
};
static JIT_POLICIES: Operation = Operation {
    call: "security:ListJitNetworkAccessPolicies",
    permission: "Microsoft.Security/locations/jitNetworkAccessPolicies/read",
    absent: NOT_REGISTERED,
    per: Per::Start,
};

/// What the collector of Defender for Cloud reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.defender",
    title: "Defender for Cloud: plans, contacts, assessments and just-in-time access",
    kinds: &[PLAN, CONTACT, ASSESSMENT, JIT_POLICY],
    reach: Reach::Together,
    operations: &[&PLANS, &CONTACTS, &ASSESSMENTS, &JIT_POLICIES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: PLAN,
        frame: Frame::Bare,
        below: &[],
        operation: &PLANS,
        source: Source::Graph(Query {
            table: "securityresources",
            types: &["microsoft.security/pricings"],
            narrowed: "",
        }),
        shape: plan,
        details: None,
    },
    Part {
        kind: CONTACT,
        frame: Frame::Bare,
        below: &[],
        operation: &CONTACTS,
        source: Source::Listing("/providers/Microsoft.Security/securityContacts?api-version=2023-12-01-preview"),
        shape: contact,
        details: None,
    },
    Part {
        kind: ASSESSMENT,
        frame: Frame::Bare,
        below: &[],
        operation: &ASSESSMENTS,
        source: Source::Graph(Query {
            table: "securityresources",
            types: &["microsoft.security/assessments"],
            narrowed: "",
        }),
        shape: assessment,
        details: None,
    },
    Part {
        kind: JIT_POLICY,
        frame: Frame::Located,
        below: &[],
        operation: &JIT_POLICIES,
        source: Source::Listing("/providers/Microsoft.Security/jitNetworkAccessPolicies?api-version=2020-01-01"),
        shape: jit_policy,
        details: None,
    },
];

fn plan(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("name")).text("tier", of("properties.pricingTier"));
    draft.text("sub_plan", of("properties.subPlan").filter(full));
    draft.flag("deprecated", Some(of("properties.deprecated").unwrap_or(&Value::Bool(false))));
    trial(row, draft);
    draft.text("coverage", of("properties.resourcesCoverageStatus"));
    let mut extensions = of("properties.extensions").cloned();
    if let Some(Value::Array(extensions)) = &mut extensions {
        extensions.sort_by_key(|one| text(one, "name").map(str::to_owned));
    }
    draft.list_or_empty("extensions", extensions.as_ref(), |one| {
        let on = flag(one, "isEnabled")?;
        Some(members([("name", Some(Value::from(text(one, "name")?))), ("on", Some(Value::from(on)))]))
    });
    draft.must(&["name", "tier", "trial"]);
}

/// Resource Graph writes some of what is not there as an empty text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape of `filter`")]
fn full(value: &&Value) -> bool {
    value.as_str() != Some("")
}

/// A plan that is off has its trial still before it.
fn trial(row: &Value, draft: &mut Draft) {
    let off = text(row, "properties.pricingTier").is_some_and(|tier| tier.eq_ignore_ascii_case("Free"));
    let left = text(row, "properties.freeTrialRemainingTime");
    let trial = if off { Some(false) } else { left.map(|left| !left.eq_ignore_ascii_case("PT0S")) };
    draft.flag("trial", trial.map(Value::from).as_ref());
}

fn contact(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("name"));
    if of("properties").is_none() {
        draft.malformed(&["enabled", "emails", "phone", "roles", "alerts_from", "attack_paths_from"]);
        return;
    }
    draft.flag("enabled", of("properties.isEnabled"));
    match of("properties.emails").map(Value::as_str) {
        Some(None) => draft.malformed(&["emails"]),
        emails => {
            let emails = emails.flatten().unwrap_or_default().split([';', ',']).map(str::trim);
            draft.read("emails", emails.filter(|email| !email.is_empty()).map(Value::from).collect::<Value>());
        }
    }
    draft.derive("phone", || Some(text(row, "properties.phone").is_some_and(|phone| !phone.trim().is_empty())));
    let on = |path: &str| text(row, path).is_some_and(|state| state.eq_ignore_ascii_case("On"));
    let by_role = on("properties.notificationsByRole.state");
    draft.list_or_empty("roles", of("properties.notificationsByRole.roles").filter(|_| by_role), |role| {
        role.as_str().map(Value::from)
    });
    let source = |kind: &str, member: &str| {
        let is = |one: &&Value| text(one, "sourceType").is_some_and(|own| own.eq_ignore_ascii_case(kind));
        items(row, "properties.notificationsSources").find(is).and_then(|one| at(one, member))
    };
    // The shape of older versions.
    let older =
        of("properties.alertNotifications.minimalSeverity").filter(|_| on("properties.alertNotifications.state"));
    draft.text("alerts_from", source("Alert", "minimalSeverity").or(older));
    draft.text("attack_paths_from", source("AttackPath", "minimalRiskLevel"));
    draft.must(&["name"]);
}

fn assessment(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("name")).text("title", of("properties.displayName"));
    draft.text("resource_id", judged(row).map(Value::from).as_ref());
    draft.text("status", of("properties.status.code"));
    draft.text("cause", of("properties.status.cause").filter(full));
    draft.text("severity", of("properties.metadata.severity").filter(full));
    draft.instant("first_seen", of("properties.status.firstEvaluationDate").filter(full));
    draft.instant("changed", of("properties.status.statusChangeDate").filter(full));
    draft.must(&["name", "title", "resource_id", "status"]);
}

/// What was judged: the id in Azure, or as the source has it; the assessment's own id begins with it as well.
fn judged(row: &Value) -> Option<String> {
    let elsewhere =
        text(row, "properties.resourceDetails.source").is_some_and(|own| !own.eq_ignore_ascii_case("Azure"));
    let named = text(row, "properties.resourceDetails.id").filter(|named| !named.is_empty());
    if let Some(named) = named {
        return Some(if elsewhere { named.to_owned() } else { id(named) });
    }
    let own = id(text(row, "id")?);
    own.split_once("/providers/microsoft.security/assessments").map(|(above, _)| above.to_owned())
}

fn jit_policy(row: &Value, draft: &mut Draft) {
    draft.text("subscription_id", at(row, "subscriptionId"));
    draft.list("machines", at(row, "properties.virtualMachines"), |machine| {
        let ports = at(machine, "ports")?.as_array()?.iter();
        let ports: Option<Vec<i64>> = ports.map(|port| number(port, "number")).collect();
        Some(members([("id", Some(reference(machine, "id")?)), ("ports", Some(Value::from(ports?)))]))
    });
    draft.must(&["subscription_id", "machines"]);
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_plan_that_is_off_is_not_on_trial() {
        let of = |tier: &str, left: &str| {
            let properties = json!({"pricingTier": tier, "freeTrialRemainingTime": left});
            let draft = shaped(&PARTS[0], &json!({"id": "/a", "name": "VirtualMachines", "properties": properties}));
            draft.resource.field("trial").clone()
        };
        assert_eq!(of("Free", "P30D"), Field::Read(json!(false)));
        assert_eq!(of("Standard", "P30D"), Field::Read(json!(true)));
        assert_eq!(of("standard", "PT0S"), Field::Read(json!(false)));
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"pricingTier": "Standard"}}));
        assert!(matches!(draft.resource.field("trial"), Field::Unread(_)));
        assert_eq!(draft.resource.field("deprecated"), &Field::Read(json!(false)));
        assert_eq!(draft.resource.field("extensions"), &Field::Read(json!([])));
    }

    #[test]
    fn contacts_come_in_two_forms() {
        let of =
            |properties: Value| shaped(&PARTS[1], &json!({"id": "/a", "name": "default", "properties": properties}));
        let old = of(json!({"emails": "a@example.com; b@example.com;", "phone": "", "alertNotifications":
            {"state": "On", "minimalSeverity": "High"}, "notificationsByRole": {"state": "Off", "roles": ["Owner"]}}));
        assert_eq!(old.resource.field("emails"), &Field::Read(json!(["a@example.com", "b@example.com"])));
        assert_eq!(old.resource.field("phone"), &Field::Read(json!(false)));
        assert_eq!(old.resource.field("roles"), &Field::Read(json!([])));
        assert_eq!(old.resource.field("alerts_from"), &Field::Read(json!("High")));
        assert_eq!(old.resource.field("enabled"), &Field::Absent);
        let off = of(json!({"alertNotifications": {"state": "Off", "minimalSeverity": "High"}}));
        assert_eq!(off.resource.field("alerts_from"), &Field::Absent);
        let sources = json!([{"sourceType": "Alert", "minimalSeverity": "Low"}]);
        let new = of(json!({"notificationsSources": sources}));
        assert_eq!(new.resource.field("alerts_from"), &Field::Read(json!("Low")));
        assert_eq!(new.resource.field("attack_paths_from"), &Field::Absent);
        assert!(matches!(of(Value::Null).resource.field("emails"), Field::Unread(_)));
        assert!(matches!(of(json!({"emails": ["a@example.com"]})).resource.field("emails"), Field::Unread(_)));
    }

    #[test]
    fn what_was_judged_is_known_without_its_details() {
        let own = "/subscriptions/S/providers/Microsoft.Security/assessments/X";
        assert_eq!(judged(&json!({"id": own})).as_deref(), Some("/subscriptions/s"));
        let details =
            |source: &str| json!({"id": own, "properties": {"resourceDetails": {"Source": source, "Id": "Arn:X"}}});
        assert_eq!(judged(&details("Aws")).as_deref(), Some("Arn:X"));
        assert_eq!(judged(&details("azure")).as_deref(), Some("arn:x"));
    }

    #[test]
    fn a_machine_without_an_id_makes_the_list_unread() {
        let of = |machines: Value| {
            let row = json!({"id": "/a", "subscriptionId": "s", "properties": {"virtualMachines": machines}});
            shaped(&PARTS[3], &row).resource.field("machines").clone()
        };
        let machine = json!([{"id": "/VM", "ports": [{"number": 22}, {"number": "3389"}]}]);
        assert_eq!(of(machine), Field::Read(json!([{"id": "/vm", "ports": [22, 3389]}])));
        assert!(matches!(of(json!([{"ports": []}])), Field::Unread(_)));
        assert!(matches!(of(Value::Null), Field::Unread(_)));
    }
}
