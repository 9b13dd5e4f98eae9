//! What the token endpoint gives: who is asking, and what was consented to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::world::Reply;

/// Everything that is read of a directory.
pub(crate) fn consented() -> Vec<String> {
    let names = ["Application", "AuditLog", "Domain", "GroupMember", "Organization", "Policy", "User"];
    let roles = ["RoleAssignmentSchedule", "RoleEligibilitySchedule", "RoleManagement"];
    let all = names.iter().map(|name| format!("{name}.Read.All"));
    all.chain(roles.iter().map(|name| format!("{name}.Read.Directory"))).collect()
}

/// A token that is one in shape only.
pub(crate) fn token(tenant: &str, roles: &[String]) -> Reply {
    let (application, object) = ("00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb");
    let claims = json!({"tid": tenant, "appid": application, "oid": object, "roles": roles});
    let [header, claims] = [json!({"alg": "none"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("{header}.{claims}.")}),
    )
}
