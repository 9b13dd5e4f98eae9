//! Amazon Web Services: the list of its collectors, and the door to its accounts.

mod account;
mod client;
mod cloud;
mod cloudtrail;
mod error;
mod iam;
mod kms;
pub mod policy;
mod s3;
mod scopes;
mod shape;
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
        Arc::new(account::Account::new(session)),
        Arc::new(cloudtrail::CloudTrail::new(session, regions, &buckets)),
        Arc::new(iam::Iam::new(session)),
        Arc::new(kms::Kms::new(session)),
        Arc::new(s3::S3::new(session, &buckets)),
    ]
}

/// The manifests of [`collectors`], in the same order.
pub fn manifests() -> Vec<&'static Manifest> {
    vec![
        &account::MANIFEST,
        &cloudtrail::MANIFEST,
        &iam::MANIFEST,
        &kms::MANIFEST,
        &s3::MANIFEST,
    ]
}
