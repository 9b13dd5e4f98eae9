//! What happens to the synthetic cloud, and when: a script of things that change, go, or cannot be read.

use evidenced_model::{Cause, Refusal, Resource};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One thing that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// From this moment on.
    pub(crate) from: Timestamp,
    /// Until this one; for ever without it.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    /// To this account only.
    #[serde(default)]
    account: Option<String>,
    /// To this thing; to all without a number.
    #[serde(default)]
    thing: Option<u64>,
    /// It goes by this name.
    #[serde(default)]
    name: Option<String>,
    /// Its fields have these values.
    #[serde(default)]
    set: Map<String, Value>,
    /// Reading these fields is refused.
    #[serde(default)]
    unread: Vec<String>,
    /// It is not there.
    #[serde(default)]
    gone: bool,
    /// Listing is refused.
    #[serde(default)]
    pub(crate) denied: bool,
    /// The process dies, once.
    #[serde(default)]
    dies: bool,
}

/// What happens at one moment in one account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(pub(crate) Vec<Step>);

impl Script {
    /// Reads the script at a path, as far as it is about this moment and account.
    pub(crate) fn read(path: &str, now: Timestamp, account: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let steps: Vec<Step> = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let holds = |step: &Step| {
            step.from <= now
                && step.until.is_none_or(|until| now < until)
                && step.account.as_deref().is_none_or(|one| one == account)
        };
        let script = Self(steps.into_iter().filter(holds).collect());
        let deaths = format!("{path}.deaths");
        let before = std::fs::read_to_string(&deaths).unwrap_or_default();
        // Where it died once, it goes on.
        let dies = script.0.iter().filter(|step| step.dies).map(|step| step.from.to_string());
        if let Some(moment) = dies.into_iter().find(|moment| !before.contains(moment.as_str())) {
            std::fs::write(&deaths, format!("{before}{moment}\n")).map_err(|error| format!("{deaths}: {error}"))?;
            std::process::abort();
        }
        Ok(script)
    }

    /// Whether listing is refused.
    pub(crate) fn denied(&self) -> bool {
        self.0.iter().any(|step| step.denied)
    }

    /// What the script makes of a thing; `None` if it is not there.
    pub(crate) fn play(&self, number: u64, mut resource: Resource) -> Option<Resource> {
        for step in self.0.iter().filter(|step| step.thing.is_none_or(|thing| thing == number)) {
            if step.gone {
                return None;
            }
            if let Some(name) = &step.name {
                resource.id.clone_from(name);
            }
            for (field, value) in &step.set {
                resource.read(field, value.clone());
            }
            for field in &step.unread {
                resource.unread(field, &refused());
            }
        }
        Some(resource)
    }
}

/// A refusal, with the permission that is missing.
pub(crate) fn refused() -> Refusal {
    let permission = Some("store:GetThing".to_owned());
    Refusal {
        call: "store:GetThing".to_owned(),
        cause: Cause::Denied,
        code: Some("AccessDenied".to_owned()),
        permission,
    }
}

/// The same for listing.
pub(crate) fn unlisted() -> Refusal {
    let permission = Some("store:ListThings".to_owned());
    Refusal { call: "store:ListThings".to_owned(), permission, ..refused() }
}
