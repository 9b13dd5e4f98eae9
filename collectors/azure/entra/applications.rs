//! Applications that the directory owns, with the credentials of each and of its service principal. Never their values.

use std::collections::BTreeMap;

use evidenced_kit::Out;
use evidenced_model::{Refusal, Scope};
use serde_json::Value;

use super::operations::{APPLICATIONS, FEDERATED, PRINCIPALS};
use super::{APPLICATION, Entra};
use crate::draft::{Draft, at, instant, items, members, text, whole};
use crate::session::{Api, Ask};
use crate::values::skipped;

const PATH: &str = "/v1.0/applications?$select=id,appId,displayName,signInAudience,createdDateTime,\
                    passwordCredentials,keyCredentials&$top=999";

/// What is known of the service principal of an application, by application id.
type Principals = Result<BTreeMap<String, (Vec<Value>, Option<String>)>, Refusal>;

impl Entra {
    /// Every application of the directory.
    pub(super) async fn applications(&self, scope: &Scope, out: &mut Out) {
        let (found, refusal) = self.list(scope, &APPLICATIONS, PATH).await;
        let principals = self.principals(scope).await;
        let federated = out.wants(APPLICATION, "federated");
        let mut drafts = Vec::new();
        for item in &found {
            let mut draft = application(scope, item, &principals);
            if let Some(draft) = &mut draft {
                self.federated(scope, draft, federated).await;
            }
            drafts.push(draft);
        }
        Self::write(APPLICATION, &APPLICATIONS, drafts, refusal, out).await;
    }

    /// Service principals of applications that this directory owns; most of the others are Microsoft's.
    async fn principals(&self, scope: &Scope) -> Principals {
        let path = format!(
            "/v1.0/servicePrincipals?$filter=appOwnerOrganizationId%20eq%20{}&$count=true\
             &$select=id,appId,passwordCredentials,keyCredentials,preferredSingleSignOnMode&$top=999",
            scope.account
        );
        let ask = Ask { api: Api::Graph, path: &path, body: None, headers: &[("consistencylevel", "eventual")] };
        let (found, refusal) = self.session.list(scope, &PRINCIPALS, &ask).await;
        let principal = |item: &Value| {
            let mode = text(item, "preferredSingleSignOnMode").filter(|mode| !mode.is_empty()).map(str::to_owned);
            Some((text(item, "appId")?.to_lowercase(), (credentials(item), mode)))
        };
        refusal.map_or_else(|| Ok(found.iter().filter_map(principal).collect()), Err)
    }

    async fn federated(&self, scope: &Scope, draft: &mut Draft, wanted: bool) {
        if !wanted {
            draft.resource.unread("federated", skipped(&FEDERATED));
            return;
        }
        let path = format!("/v1.0/applications/{}/federatedIdentityCredentials", draft.resource.id);
        let (found, refusal) = self.list(scope, &FEDERATED, &path).await;
        if let Some(refusal) = refusal {
            draft.unread(&["federated"], &refusal);
            return;
        }
        let one = |item: &Value| {
            let part = |name: &str| text(item, name).map(Value::from);
            members([("issuer", part("issuer")), ("subject", part("subject"))])
        };
        draft.from(&FEDERATED).derive("federated", || {
            let mut found: Vec<Value> = found.iter().map(one).collect();
            found.sort_by_cached_key(Value::to_string);
            Some(found)
        });
    }
}

fn application(scope: &Scope, item: &Value, principals: &Principals) -> Option<Draft> {
    let mut draft = Entra::draft(APPLICATION, scope, item, &APPLICATIONS)?;
    draft.text("app_id", at(item, "appId")).text("name", at(item, "displayName"));
    draft.text("audience", at(item, "signInAudience")).instant("created", at(item, "createdDateTime"));
    draft.must(&["app_id", "name"]);
    if at(item, "passwordCredentials").is_some() && at(item, "keyCredentials").is_some() {
        draft.derive("credentials", || Some(credentials(item)));
    } else {
        draft.malformed(&["credentials"]);
    }
    match principals {
        Err(refusal) => draft.unread(&["principal_credentials", "single_sign_on"], refusal),
        Ok(principals) => match text(item, "appId").and_then(|app| principals.get(&app.to_lowercase())).cloned() {
            Some((credentials, mode)) => {
                draft.read("principal_credentials", credentials);
                draft.resource.optional("single_sign_on", mode);
            }
            None => draft.absent_all(&["principal_credentials", "single_sign_on"]),
        },
    }
    Some(draft)
}

/// Secrets and certificates: what they are and until when, sorted by the id of the key.
fn credentials(item: &Value) -> Vec<Value> {
    let of = |kind: &'static str, path: &'static str| {
        items(item, path).map(move |one| {
            let when = |name: &str| text(one, name).and_then(|text| whole(instant(text))).map(Value::from);
            members([
                ("kind", Some(Value::from(kind))),
                ("key_id", text(one, "keyId").map(Value::from)),
                ("starts", when("startDateTime")),
                ("ends", when("endDateTime")),
            ])
        })
    };
    let mut all: Vec<Value> = of("password", "passwordCredentials").chain(of("key", "keyCredentials")).collect();
    all.sort_by_cached_key(|one| (one["key_id"].to_string(), one.to_string()));
    all
}
