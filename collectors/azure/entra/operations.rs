//! What the collector of a tenant asks: Microsoft Graph, and one listing of Resource Manager.

use evidenced_kit::{Operation, Per};

const fn once(call: &'static str, permission: &'static str) -> Operation {
    Operation { call, permission, absent: &[], per: Per::Start }
}

const fn paged(call: &'static str, permission: &'static str, page: u32) -> Operation {
    Operation { call, permission, absent: &[], per: Per::Page(page) }
}

/// Without the licence there are no schedules, and every assignment is for good.
const NO_SCHEDULES: &[&str] = &["AadPremiumLicenseRequired"];

pub(super) static ORGANIZATION: Operation = once("graph:GetOrganization", "Organization.Read.All");
pub(super) static SECURITY_DEFAULTS: Operation = once("graph:GetSecurityDefaults", "Policy.Read.All");
pub(super) static AUTHORIZATION_POLICY: Operation = once("graph:GetAuthorizationPolicy", "Policy.Read.All");
pub(super) static DOMAINS: Operation = paged("graph:ListDomains", "Domain.Read.All", 100);
pub(super) static SKUS: Operation = paged("graph:ListSubscribedSkus", "Organization.Read.All", 100);
pub(super) static CA_POLICIES: Operation = paged("graph:ListConditionalAccessPolicies", "Policy.Read.All", 100);
pub(super) static LOCATIONS: Operation = paged("graph:ListNamedLocations", "Policy.Read.All", 100);
pub(super) static ROLE_ASSIGNMENTS: Operation =
    paged("graph:ListRoleAssignments", "RoleManagement.Read.Directory", 100);
pub(super) static ROLE_DEFINITIONS: Operation =
    paged("graph:ListRoleDefinitions", "RoleManagement.Read.Directory", 100);
pub(super) static ASSIGNMENT_SCHEDULES: Operation = Operation {
    call: "graph:ListRoleAssignmentScheduleInstances",
    permission: "RoleAssignmentSchedule.Read.Directory",
    absent: NO_SCHEDULES,
    per: Per::Page(100),
};
pub(super) static ELIGIBILITY_SCHEDULES: Operation = Operation {
    call: "graph:ListRoleEligibilitySchedules",
    permission: "RoleEligibilitySchedule.Read.Directory",
    absent: NO_SCHEDULES,
    per: Per::Page(100),
};
pub(super) static USERS: Operation = paged("graph:ListUsers", "User.Read.All", 999);
pub(super) static SIGN_INS: Operation = paged("graph:ListUsersSignInActivity", "AuditLog.Read.All", 500);
pub(super) static REGISTRATIONS: Operation = paged("graph:ListUserRegistrationDetails", "AuditLog.Read.All", 999);
pub(super) static APPLICATIONS: Operation = paged("graph:ListApplications", "Application.Read.All", 999);
pub(super) static PRINCIPALS: Operation = paged("graph:ListServicePrincipals", "Application.Read.All", 999);
pub(super) static FEDERATED: Operation = Operation {
    call: "graph:ListFederatedIdentityCredentials",
    permission: "Application.Read.All",
    absent: &[],
    per: Per::Demand,
};
pub(super) static MEMBERS: Operation = paged("graph:ListGroupTransitiveMembers", "GroupMember.Read.All", 999);
pub(super) static DIAGNOSTICS: Operation =
    once("aadiam:ListDiagnosticSettings", "microsoft.aadiam/diagnosticSettings/read");
/// Groups that hold a powerful role on a subscription.
pub(super) static SUBSCRIPTION_ROLES: Operation = Operation {
    call: "resourcegraph:RoleAssignments",
    permission: "Microsoft.Authorization/roleAssignments/read",
    absent: &[],
    per: Per::Page(1000),
};

/// All of them.
pub(super) static ALL: &[&Operation] = &[
    &ORGANIZATION,
    &SECURITY_DEFAULTS,
    &AUTHORIZATION_POLICY,
    &DOMAINS,
    &SKUS,
    &CA_POLICIES,
    &LOCATIONS,
    &ROLE_ASSIGNMENTS,
    &ROLE_DEFINITIONS,
    &ASSIGNMENT_SCHEDULES,
    &ELIGIBILITY_SCHEDULES,
    &USERS,
    &SIGN_INS,
    &REGISTRATIONS,
    &APPLICATIONS,
    &PRINCIPALS,
    &FEDERATED,
    &MEMBERS,
    &DIAGNOSTICS,
    &SUBSCRIPTION_ROLES,
];
