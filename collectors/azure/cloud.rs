//! Azure as the registry sees it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use evidenced_kit::{Cloud, Manifest, OpenContext, Opened, PermissionForm, TargetError};
use evidenced_model::Provider;
use serde_json::Value;

use crate::credential::VARIABLES;
use crate::session::{SessionOptions, provider};
use crate::target::{self, Target};

/// Microsoft Azure.
#[derive(Clone, Default)]
pub struct Azure(pub SessionOptions);

#[async_trait]
impl Cloud for Azure {
    fn provider(&self) -> Provider {
        provider()
    }

    fn manifests(&self) -> Vec<&'static Manifest> {
        crate::manifests()
    }

    fn variables(&self) -> &'static [&'static str] {
        VARIABLES
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
        Ok(crate::scopes::open(&Target::parse(target)?, &self.0, context).await)
    }
}
