//! What the environment says of the clouds: whose credentials are here, and which cloud is read without a config.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_kit::Cloud;
use serde_json::Value;

/// The targets of a program without any: the clouds of which the environment holds credentials; the first of the list,
/// whose library looks further, if there is none.
pub(crate) fn ambient_targets(clouds: &[Box<dyn Cloud>]) -> Vec<BTreeMap<String, Value>> {
    let environment = clouds_environment(clouds);
    let said: Vec<_> = clouds.iter().filter(|cloud| cloud.ambient(&environment)).collect();
    let found = if said.is_empty() { clouds.iter().take(1).collect() } else { said };
    found.into_iter().map(|cloud| BTreeMap::from([(cloud.provider().to_string(), Value::Null)])).collect()
}

/// What the clouds want to know of the environment: who we are, where their own libraries do not look.
pub(crate) fn clouds_environment(clouds: &[Box<dyn Cloud>]) -> Arc<BTreeMap<String, String>> {
    let wanted: BTreeSet<&str> = clouds.iter().flat_map(|cloud| cloud.variables()).copied().collect();
    let set =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Arc::new(set.filter(|(name, value)| wanted.contains(name.as_str()) && !value.is_empty()).collect())
}
