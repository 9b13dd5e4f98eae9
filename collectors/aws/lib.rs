//! Amazon Web Services: the list of its collectors, and the door to its accounts.
// The futures of the SDKs are nested deeply.
#![recursion_limit = "256"]

mod accessanalyzer;
mod account;
mod client;
mod cloud;
mod cloudtrail;
mod config;
mod error;
mod guardduty;
mod iam;
mod kms;
mod logs;
mod permissions;
pub mod policy;
mod rights;
mod s3;
mod scopes;
mod securityhub;
mod shape;
mod sso;
mod target;
pub mod transport;
mod values;

pub use client::{ClientOptions, Session};
pub use cloud::Aws;
pub use iam::credential_report;

use std::sync::Arc;

use evidenced_kit::{Collector, Manifest};
use evidenced_model::Region;

/// Every collector of AWS, sorted by id: the one list.
pub fn collectors(session: &Arc<Session>, regions: &[Region]) -> Vec<Arc<dyn Collector>> {
    // Listed once for everybody who asks whose a bucket is.
    let buckets = Arc::new(s3::Buckets::new(session));
    vec![
        Arc::new(accessanalyzer::AccessAnalyzer::new(session)),
        Arc::new(account::Account::new(session)),
        Arc::new(cloudtrail::CloudTrail::new(session, regions, &buckets)),
        Arc::new(config::Config::new(session)),
        Arc::new(guardduty::GuardDuty::new(session)),
        Arc::new(iam::Iam::new(session)),
        Arc::new(kms::Kms::new(session)),
        Arc::new(logs::Logs::new(session)),
        Arc::new(s3::S3::new(session, &buckets)),
        Arc::new(securityhub::SecurityHub::new(session)),
        Arc::new(sso::Sso::new(session)),
    ]
}

/// The manifests of [`collectors`], in the same order.
pub fn manifests() -> Vec<&'static Manifest> {
    vec![
        &accessanalyzer::MANIFEST,
        &account::MANIFEST,
        &cloudtrail::MANIFEST,
        &config::MANIFEST,
        &guardduty::MANIFEST,
        &iam::MANIFEST,
        &kms::MANIFEST,
        &logs::MANIFEST,
        &s3::MANIFEST,
        &securityhub::MANIFEST,
        &sso::MANIFEST,
    ]
}
