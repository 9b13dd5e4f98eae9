//! The calls to IAM: what each needs, and which error codes mean that there is none.

use evidenced_kit::{Operation, Per};

/// Declares operations whose permission has the same name.
macro_rules! operations {
    ($($name:ident = $call:literal, $per:expr, absent $absent:expr;)*) => {
        $(pub(super) static $name: Operation =
            Operation { call: $call, permission: $call, absent: &$absent, per: $per };)*

        /// All of them.
        pub(super) static ALL: &[&Operation] = &[$(&$name),*];
    };
}

operations! {
    AUTHORIZATION_DETAILS = "iam:GetAccountAuthorizationDetails", Per::Page(1000), absent [];
    ACCOUNT_SUMMARY = "iam:GetAccountSummary", Per::Start, absent [];
    PASSWORD_POLICY = "iam:GetAccountPasswordPolicy", Per::Start, absent ["NoSuchEntity"];
    GENERATE_REPORT = "iam:GenerateCredentialReport", Per::Start, absent [];
    GET_REPORT = "iam:GetCredentialReport", Per::Start, absent [];
    VIRTUAL_MFA_DEVICES = "iam:ListVirtualMFADevices", Per::Page(1000), absent [];
    SERVER_CERTIFICATES = "iam:ListServerCertificates", Per::Page(1000), absent [];
    // Only the management account and a delegated administrator can say.
    ORGANIZATIONS_FEATURES = "iam:ListOrganizationsFeatures", Per::Start, absent [
        "AccountNotManagementOrDelegatedAdministratorException",
        "OrganizationNotFoundException",
        "OrganizationNotInAllFeaturesModeException",
    ];
    SAML_PROVIDERS = "iam:ListSAMLProviders", Per::Start, absent [];
    OIDC_PROVIDERS = "iam:ListOpenIDConnectProviders", Per::Start, absent [];
    ACCESS_KEYS = "iam:ListAccessKeys", Per::Demand, absent ["NoSuchEntity"];
    MFA_DEVICES = "iam:ListMFADevices", Per::Demand, absent ["NoSuchEntity"];
}
