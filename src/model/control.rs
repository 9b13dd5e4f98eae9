//! How a control stands, with the counts it stands on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CatalogId, ControlId, ObjectiveId, Provider};

/// The standing of a control. There is no `compliant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// An unwaived fail behind a link that is at least partial.
    Contradicted,
    /// At least one pass, no unwaived fail, nothing unknown.
    Supported,
    /// Supported, apart from fails that are waived.
    SupportedWithExceptions,
    /// Everything automatic is not applicable, and was read completely.
    NoSubject,
    /// Nothing automatic: people bring the evidence.
    Manual,
    /// Excluded by the statement of applicability.
    Excluded,
    /// Anything else: not enough was read.
    Incomplete,
}

impl Standing {
    /// The word used in evidence and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Supported => "supported",
            Self::SupportedWithExceptions => "supported_with_exceptions",
            Self::NoSubject => "no_subject",
            Self::Manual => "manual",
            Self::Excluded => "excluded",
            Self::Incomplete => "incomplete",
        }
    }

    /// How a control stands where two agents say this of it: what weighs more counts. Where nobody has a subject,
    /// nobody has.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        let order = [
            Self::Contradicted,
            Self::Incomplete,
            Self::SupportedWithExceptions,
            Self::Supported,
            Self::NoSubject,
            Self::Manual,
        ];
        order.into_iter().find(|standing| *standing == self || *standing == other).unwrap_or(self)
    }

    /// How it stands where something is missing: nobody knows what it would have said.
    #[must_use]
    pub fn over_a_hole(self) -> Self {
        match self {
            Self::Supported | Self::SupportedWithExceptions | Self::NoSubject => Self::Incomplete,
            known => known,
        }
    }
}

/// How much an objective says about a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// A hint beside other evidence; never supports or contradicts by itself.
    Supporting,
    /// Shows part of the control.
    Partial,
    /// Shows the technical side of the control.
    Strong,
}

/// Numerators and denominators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Unwaived fails.
    pub fail: u64,
    /// Fails below the severity that contradicts.
    pub fail_below: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Passes.
    pub pass: u64,
    /// Unknown.
    pub unknown: u64,
    /// Waived fails.
    pub waived: u64,
}

impl Tally {
    /// All findings counted.
    pub fn total(&self) -> u64 {
        self.fail + self.fail_below + self.not_applicable + self.pass + self.unknown + self.waived
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.fail += other.fail;
        self.fail_below += other.fail_below;
        self.not_applicable += other.not_applicable;
        self.pass += other.pass;
        self.unknown += other.unknown;
        self.waived += other.waived;
    }
}

/// The counts of one objective behind a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveCount {
    /// The findings of its checks.
    pub counts: Tally,
    /// The objective.
    pub objective: ObjectiveId,
    /// How much it says about the control.
    pub strength: Strength,
    /// Checks that wait for a declaration by the customer, e.g. which buckets hold logs.
    pub undeclared: Vec<String>,
}

/// A control of one catalogue, as sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlStanding {
    /// Its catalogue.
    pub catalog: CatalogId,
    /// Its number.
    pub control: ControlId,
    /// The counts of strong and partial links together, over all providers.
    pub counts: Tally,
    /// Our own short words for it.
    pub label: String,
    /// What configuration cannot show.
    pub left_to_people: String,
    /// The objectives behind it, with their counts over all providers.
    pub objectives: Vec<ObjectiveCount>,
    /// The standing in each cloud by itself.
    pub providers: BTreeMap<Provider, Standing>,
    /// The standing, all clouds together.
    pub standing: Standing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_weighs_more_counts_and_nothing_is_supported_over_a_hole() {
        use Standing::{Contradicted, Incomplete, Manual, NoSubject, Supported, SupportedWithExceptions};
        for (one, other, expected) in [
            (Supported, Contradicted, Contradicted),
            (NoSubject, Supported, Supported),
            (Supported, Incomplete, Incomplete),
            (Supported, SupportedWithExceptions, SupportedWithExceptions),
            (Manual, Manual, Manual),
            (NoSubject, NoSubject, NoSubject),
        ] {
            assert_eq!((one.beside(other), other.beside(one)), (expected, expected));
        }
        assert_eq!(Supported.over_a_hole(), Incomplete);
        assert_eq!(NoSubject.over_a_hole(), Incomplete);
        assert_eq!((Contradicted.over_a_hole(), Manual.over_a_hole()), (Contradicted, Manual));
    }
}
