//! Conditional access: its policies, and the named locations that they refer to.

use evidenced_kit::Out;
use evidenced_model::Scope;
use serde_json::{Value, json};

use super::operations::{CA_POLICIES, LOCATIONS};
use super::{CA_POLICY, Entra, Groups, NAMED_LOCATION};
use crate::draft::{Draft, at, flag, items, text, texts};

impl Entra {
    /// Conditional access policies; groups that they leave out matter.
    pub(super) async fn policies(&self, scope: &Scope, out: &mut Out, groups: &mut Groups) {
        let (found, refusal) = self.list(scope, &CA_POLICIES, "/v1.0/identity/conditionalAccess/policies").await;
        if let Some(refusal) = &refusal {
            groups.miss(refusal);
        }
        for item in &found {
            groups.ids.extend(lower(item, "conditions.users.excludeGroups"));
        }
        let drafts = found.iter().map(|item| policy(scope, item)).collect();
        Self::write(CA_POLICY, &CA_POLICIES, drafts, refusal, out).await;
    }

    /// Named locations.
    pub(super) async fn locations(&self, scope: &Scope, out: &mut Out) {
        let (found, refusal) = self.list(scope, &LOCATIONS, "/v1.0/identity/conditionalAccess/namedLocations").await;
        let drafts = found.iter().map(|item| location(scope, item)).collect();
        Self::write(NAMED_LOCATION, &LOCATIONS, drafts, refusal, out).await;
    }
}

/// Words and ids in lower case: `All`, `None` and the like come in any casing.
fn lower(item: &Value, path: &str) -> Vec<String> {
    texts(item, path).iter().map(|text| text.to_lowercase()).collect()
}

/// A word in lower case; what is no word stays what it is.
fn lowered(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |word| Value::from(word.to_lowercase()))
}

const GUESTS: &str = "guestsorexternalusers";

fn policy(scope: &Scope, item: &Value) -> Option<Draft> {
    let mut draft = Entra::draft(CA_POLICY, scope, item, &CA_POLICIES)?;
    draft.text("name", at(item, "displayName"));
    draft.text("state", at(item, "state").map(lowered).as_ref());
    draft.instant("created", at(item, "createdDateTime")).instant("modified", at(item, "modifiedDateTime"));
    draft.must(&["name", "state"]);
    who(item, &mut draft);
    what(item, &mut draft);
    grants(item, &mut draft);
    Some(draft)
}

const WHO: &[&str] = &[
    "include_users",
    "exclude_users",
    "include_groups",
    "exclude_groups",
    "include_roles",
    "exclude_roles",
    "excludes_guests",
];

fn who(item: &Value, draft: &mut Draft) {
    if at(item, "conditions.users").is_none() {
        // A policy may be for workload identities in place of people: then nobody is meant, and that is said.
        if at(item, "conditions.clientApplications").is_some() {
            WHO[..6].iter().for_each(|field| {
                draft.read(field, json!([]));
            });
            draft.read("excludes_guests", false);
        } else {
            draft.malformed(WHO);
        }
        return;
    }
    let of = |name: &str| lower(item, &format!("conditions.users.{name}"));
    draft.derive("include_users", || {
        let mut included = of("includeUsers");
        let guests = at(item, "conditions.users.includeGuestsOrExternalUsers").is_some();
        if guests && !included.iter().any(|word| word == GUESTS) {
            included.push(GUESTS.to_owned());
        }
        Some(included)
    });
    draft.derive("exclude_users", || {
        let excluded = of("excludeUsers").into_iter().filter(|word| word != GUESTS);
        Some(excluded.collect::<Vec<_>>())
    });
    for (field, name) in [
        ("include_groups", "includeGroups"),
        ("exclude_groups", "excludeGroups"),
        ("include_roles", "includeRoles"),
        ("exclude_roles", "excludeRoles"),
    ] {
        draft.derive(field, || Some(of(name)));
    }
    draft.derive("excludes_guests", || {
        let by_kind = at(item, "conditions.users.excludeGuestsOrExternalUsers").is_some();
        Some(of("excludeUsers").iter().any(|word| word == GUESTS) || by_kind)
    });
}

fn what(item: &Value, draft: &mut Draft) {
    if at(item, "conditions.applications").is_none() && at(item, "conditions").is_none() {
        draft.malformed(&["include_apps", "exclude_apps", "user_actions", "client_app_types"]);
        draft.malformed(&["include_locations", "exclude_locations", "narrowed_by"]);
        return;
    }
    let of = |path: &str| lower(item, &format!("conditions.{path}"));
    for (field, path) in [
        ("include_apps", "applications.includeApplications"),
        ("exclude_apps", "applications.excludeApplications"),
        ("user_actions", "applications.includeUserActions"),
        ("client_app_types", "clientAppTypes"),
        ("include_locations", "locations.includeLocations"),
        ("exclude_locations", "locations.excludeLocations"),
    ] {
        draft.derive(field, || Some(of(path)));
    }
    let set = |path: &str| items(item, &format!("conditions.{path}")).next().is_some();
    let there = |path: &str| at(item, &format!("conditions.{path}")).is_some();
    draft.derive("narrowed_by", || {
        let all = of("platforms.includePlatforms").iter().any(|word| word == "all");
        let platforms = there("platforms") && (!all || set("platforms.excludePlatforms"));
        let narrowed = [
            (there("applications.applicationFilter"), "app_filter"),
            (there("authenticationFlows"), "authentication_flows"),
            (there("devices.deviceFilter"), "device_filter"),
            (there("insiderRiskLevels"), "insider_risk"),
            (platforms, "platforms"),
            (set("signInRiskLevels"), "sign_in_risk"),
            (set("userRiskLevels"), "user_risk"),
        ];
        Some(narrowed.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name).collect::<Vec<_>>())
    });
}

fn grants(item: &Value, draft: &mut Draft) {
    draft.text("grant_operator", at(item, "grantControls.operator"));
    draft.derive("grant_controls", || Some(lower(item, "grantControls.builtInControls")));
    draft.derive("other_grants", || {
        let mut others = texts(item, "grantControls.termsOfUse");
        others.extend(texts(item, "grantControls.customAuthenticationFactors"));
        Some(others)
    });
    draft.text("strength", at(item, "grantControls.authenticationStrength.displayName"));
    let amounts = at(item, "grantControls.authenticationStrength.requirementsSatisfied");
    draft.text("strength_satisfies", amounts.map(lowered).as_ref());
}

fn location(scope: &Scope, item: &Value) -> Option<Draft> {
    let mut draft = Entra::draft(NAMED_LOCATION, scope, item, &LOCATIONS)?;
    draft.text("name", at(item, "displayName"));
    draft.instant("created", at(item, "createdDateTime")).instant("modified", at(item, "modifiedDateTime"));
    let kind = super::type_of(item);
    let by = if kind.ends_with("ipnamedlocation") {
        Some("ip")
    } else if kind.ends_with("countrynamedlocation") {
        Some("country")
    } else {
        None
    };
    match by {
        Some(by) => {
            draft.read("by", by).derive("trusted", || Some(flag(item, "isTrusted").unwrap_or(false)));
            draft.derive("networks", || {
                items(item, "ipRanges").map(|range| text(range, "cidrAddress")).collect::<Option<Vec<_>>>()
            });
            draft.derive("countries", || Some(texts(item, "countriesAndRegions")));
            let unknown = || Some(flag(item, "includeUnknownCountriesAndRegions").unwrap_or(false));
            draft.derive("unknown_countries", unknown);
        }
        None => draft.malformed(&["by", "trusted", "networks", "countries", "unknown_countries"]),
    }
    draft.must(&["name"]);
    Some(draft)
}
