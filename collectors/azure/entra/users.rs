//! People: who they are, when they last signed in, what they have registered.

use std::collections::BTreeMap;

use evidenced_kit::Out;
use evidenced_model::{Refusal, Scope};
use serde_json::Value;

use super::operations::{REGISTRATIONS, SIGN_INS, USERS};
use super::{Entra, USER};
use crate::draft::{Draft, at, day, flag, text, texts};

const PATH: &str = "/v1.0/users?$select=id,userPrincipalName,displayName,userType,accountEnabled,\
                    onPremisesSyncEnabled,createdDateTime&$top=999";
const SIGN_INS_PATH: &str = "/v1.0/users?$select=id,signInActivity&$top=500";
const REGISTRATIONS_PATH: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails?$top=999";

const OF_SIGN_INS: &[&str] = &["last_success", "last_attempt"];
const OF_REGISTRATION: &[&str] = &["is_admin", "mfa_registered", "mfa_capable", "methods"];

/// The days of the last successful sign-in, and of the last attempt.
type Days = (Option<String>, Option<String>);
/// By user.
type SignIns = Result<BTreeMap<String, Days>, Refusal>;
/// What is registered, by user.
type Registrations = Result<BTreeMap<String, Registration>, Refusal>;

struct Registration {
    admin: Option<bool>,
    registered: Option<bool>,
    capable: Option<bool>,
    methods: Vec<String>,
}

impl Entra {
    /// Every user, guests and blocked ones included.
    pub(super) async fn users(&self, scope: &Scope, out: &mut Out) {
        let (activity, refused) = self.list(scope, &SIGN_INS, SIGN_INS_PATH).await;
        let sign_ins: SignIns = refused.map_or_else(|| Ok(activity.iter().filter_map(sign_in).collect()), Err);
        drop(activity);
        let (report, refused) = self.list(scope, &REGISTRATIONS, REGISTRATIONS_PATH).await;
        let registrations: Registrations =
            refused.map_or_else(|| Ok(report.iter().filter_map(registration).collect()), Err);
        drop(report);
        let (found, refusal) = self.list(scope, &USERS, PATH).await;
        let drafts = found.iter().map(|item| user(scope, item, &sign_ins, &registrations)).collect();
        Self::write(USER, &USERS, drafts, refusal, out).await;
    }
}

fn sign_in(item: &Value) -> Option<(String, Days)> {
    let when = |name: &str| text(item, &format!("signInActivity.{name}")).and_then(day);
    Some((text(item, "id")?.to_owned(), (when("lastSuccessfulSignInDateTime"), when("lastSignInDateTime"))))
}

fn registration(item: &Value) -> Option<(String, Registration)> {
    let mut methods = texts(item, "methodsRegistered");
    methods.sort_unstable();
    let registration = Registration {
        admin: flag(item, "isAdmin"),
        registered: flag(item, "isMfaRegistered"),
        capable: flag(item, "isMfaCapable"),
        methods,
    };
    Some((text(item, "id")?.to_owned(), registration))
}

fn user(scope: &Scope, item: &Value, sign_ins: &SignIns, registrations: &Registrations) -> Option<Draft> {
    let mut draft = Entra::draft(USER, scope, item, &USERS)?;
    draft.text("upn", at(item, "userPrincipalName")).text("name", at(item, "displayName"));
    draft.text("user_type", at(item, "userType"));
    draft.derive("guest", || Some(text(item, "userType").is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"))));
    draft.flag("enabled", at(item, "accountEnabled")).instant("created", at(item, "createdDateTime"));
    draft.derive("synced", || Some(flag(item, "onPremisesSyncEnabled").unwrap_or(false)));
    draft.must(&["upn", "enabled", "created"]);
    match sign_ins {
        Err(refusal) => draft.unread(OF_SIGN_INS, refusal),
        Ok(sign_ins) => match sign_ins.get(&draft.resource.id).cloned() {
            Some((success, attempt)) => {
                draft.resource.optional("last_success", success).optional("last_attempt", attempt);
            }
            // Made between the two listings.
            None => draft.from(&SIGN_INS).malformed(OF_SIGN_INS),
        },
    }
    match registrations {
        Err(refusal) => draft.unread(OF_REGISTRATION, refusal),
        Ok(registrations) => match registrations.get(&draft.resource.id) {
            Some(one) => {
                draft.from(&REGISTRATIONS);
                draft.resource.optional("is_admin", one.admin).optional("mfa_registered", one.registered);
                draft.resource.optional("mfa_capable", one.capable);
                draft.must(&["is_admin", "mfa_registered", "mfa_capable"]);
                draft.read("methods", one.methods.clone());
            }
            // The report lags behind by hours.
            None => draft.from(&REGISTRATIONS).malformed(OF_REGISTRATION),
        },
    }
    Some(draft)
}
