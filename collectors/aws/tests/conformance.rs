//! Every AWS collector passes the kit's suite over its cassettes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

/// One test for each collector: its cassettes stand in `cassettes/<service>/`.
macro_rules! conform {
    ($($name:ident => $id:literal, $singletons:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            common::conform($id, stringify!($name), $singletons).await;
        })*
    };
}

// Sorted by id, like the list in lib.rs: collector, folder of its cassettes, kinds that every account has once.
conform! {
    accessanalyzer => "aws.accessanalyzer", &[];
    account => "aws.account", &["aws.account.contacts"];
    cloudtrail => "aws.cloudtrail", &[];
    config => "aws.config", &[];
    guardduty => "aws.guardduty", &[];
    iam => "aws.iam", &["aws.iam.account"];
    kms => "aws.kms", &[];
    logs => "aws.logs", &[];
    s3 => "aws.s3", &["aws.s3.account"];
    securityhub => "aws.securityhub", &[];
    sso => "aws.sso", &[];
}

#[test]
fn every_collector_has_a_test() {
    let here = include_str!("conformance.rs");
    for manifest in evidenced_aws::manifests() {
        assert!(here.contains(&format!("=> \"{}\"", manifest.id)), "{} has no conformance test", manifest.id);
    }
}
