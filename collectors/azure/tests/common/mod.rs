//! What the tests of collectors share: a context without waiting, and the kinds as they are declared.

pub(crate) mod token;

use std::sync::Arc;

use evidenced_kit::{Limits, LimitsConfig, Mine, OpenContext, Stats};
use evidenced_model::{FixedClock, KindDecl, RunId};

pub(crate) fn context() -> OpenContext {
    // No waiting between attempts: the suite is about what is tried again, not about when.
    let limits = LimitsConfig {
        default_calls_per_second: 1_000_000,
        calls_per_second: std::collections::BTreeMap::new(),
        backoff: std::time::Duration::ZERO,
        ..LimitsConfig::default()
    };
    OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    }
}

pub(crate) fn declaration(kind: &str) -> KindDecl {
    let (path, text) = evidenced_mappings::kinds()
        .iter()
        .find(|(path, _)| path.ends_with(&format!("/{kind}.yaml")))
        .unwrap_or_else(|| panic!("no kind file for {kind}"));
    let value: serde_json::Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let declared = ["kind", "title", "span", "lists", "fields"];
    let members = value.as_object().unwrap().iter().filter(|(name, _)| declared.contains(&name.as_str()));
    let value = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::from_value(serde_json::Value::Object(value)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
