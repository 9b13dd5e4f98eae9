//! What is told.

use evidenced_model::{AgentId, CatalogId, ControlId, RunId, Severity, Standing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What events are about: a target may want some only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The standing of a control changed.
    Control,
    /// A resource fails a check that it did not fail before.
    Finding,
    /// Something that was read is not read any more.
    Coverage,
    /// A slot of a schedule passed without a run.
    Slot,
    /// Evidence cannot be stored, or can again.
    Store,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Control, Self::Finding, Self::Coverage, Self::Slot, Self::Store];
}

/// Something that somebody may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The agent.
    pub agent: AgentId,
    /// When it was seen.
    pub at: Timestamp,
    /// The schedule, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The run, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Change {
    /// A control stands otherwise.
    ControlChanged {
        /// Its catalogue.
        catalog: CatalogId,
        /// Its number.
        control: ControlId,
        /// Our own short words for it.
        label: String,
        /// How it stood.
        from: Standing,
        /// How it stands.
        to: Standing,
    },
    /// Resources fail checks that they did not fail before.
    NewFindings {
        /// How many.
        count: u64,
        /// The gravest.
        worst: Severity,
        /// Some of them, as `check resource`, the gravest first.
        examples: Vec<String>,
    },
    /// Places that were read are not any more.
    CoverageLost {
        /// How many kinds in places.
        count: u64,
        /// Some of them, as `account region kind`.
        examples: Vec<String>,
    },
    /// Slots passed without a run.
    SlotsMissed {
        /// How many.
        count: u64,
        /// The first.
        first: Timestamp,
        /// The last.
        last: Timestamp,
    },
    /// Evidence waits on this machine's disk.
    StoreFailing {
        /// Sealed runs that wait.
        runs: u64,
        /// Why.
        error: String,
    },
    /// Nothing waits any more.
    StoreBack,
}

impl Event {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self.change {
            Change::ControlChanged { .. } => Topic::Control,
            Change::NewFindings { .. } => Topic::Finding,
            Change::CoverageLost { .. } => Topic::Coverage,
            Change::SlotsMissed { .. } => Topic::Slot,
            Change::StoreFailing { .. } | Change::StoreBack => Topic::Store,
        }
    }

    /// The same in a sentence or two, for people. Names that clouds gave are in it as they are: whoever shows it escapes.
    pub fn sentence(&self) -> String {
        let agent = &self.agent;
        let some = |examples: &[String], count: u64| {
            let more = count.saturating_sub(examples.len() as u64);
            let more = if more > 0 { format!("\n… and {more} more") } else { String::new() };
            examples.iter().fold(String::new(), |text, one| text + "\n• " + one) + &more
        };
        match &self.change {
            Change::ControlChanged { catalog, control, label, from, to } => {
                format!("{agent}: {catalog} {control} ({label}) is {}, and was {}", words(*to), words(*from))
            }
            Change::NewFindings { count, worst, examples } => {
                format!("{agent}: {count} new findings, {} at worst{}", worst.as_str(), some(examples, *count))
            }
            Change::CoverageLost { count, examples } => {
                format!("{agent}: {count} kinds of resources could not be read any more{}", some(examples, *count))
            }
            Change::SlotsMissed { count, first, last } => {
                let schedule = self.schedule.as_deref().unwrap_or("a schedule");
                format!("{agent}: {schedule} missed {count} runs, from {first} to {last}; the log says so")
            }
            Change::StoreFailing { runs, error } => {
                format!("{agent}: evidence cannot be stored; {runs} runs wait on its disk: {error}")
            }
            Change::StoreBack => format!("{agent}: evidence is stored again; nothing waits"),
        }
    }
}

fn words(standing: Standing) -> String {
    standing.as_str().replace('_', " ")
}
