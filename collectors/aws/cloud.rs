//! AWS as the registry sees it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use evidenced_kit::{Cloud, Manifest, OpenContext, Opened, PermissionForm, PriceClass, TargetError};
use evidenced_model::Provider;
use serde_json::Value;

use crate::client::provider;
use crate::target::{self, Target};

/// Amazon Web Services.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aws;

#[async_trait]
impl Cloud for Aws {
    fn provider(&self) -> Provider {
        provider()
    }

    fn manifests(&self) -> Vec<&'static Manifest> {
        crate::manifests()
    }

    /// The SDK looks itself; these only say that there is something to be found.
    fn variables(&self) -> &'static [&'static str] {
        &[
            "AWS_ACCESS_KEY_ID",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_PROFILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ]
    }

    fn check(&self, target: &Value) -> Result<(), TargetError> {
        Target::parse(target).map(|_| ())
    }

    fn schema(&self) -> Value {
        target::schema()
    }

    fn permissions(&self, needed: &BTreeSet<&'static str>, form: PermissionForm) -> Option<String> {
        crate::permissions::print(needed, form)
    }

    async fn open(&self, target: &Value, context: &OpenContext) -> Result<Opened, TargetError> {
        Ok(crate::scopes::open(&Target::parse(target)?, context).await)
    }

    fn price(&self, operation: &str) -> PriceClass {
        match operation.split(':').next() {
            Some("s3" | "kms" | "cloudwatch") => PriceClass::Request,
            _ => PriceClass::Free,
        }
    }
}
