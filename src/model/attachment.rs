//! What somebody brought as evidence for controls: a training record, a contract, the minutes of a meeting.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{AgentId, CatalogId, ControlId, Digest};

/// The record of an attached file: the subject of an `attachment` entry of the log, stored as canonical JSON. The file
/// itself is an object beside it, `v1/objects/<aa>/<sha256>.bin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The agent that sealed it.
    pub agent: AgentId,
    /// When it was sealed.
    pub at: Timestamp,
    /// Who brought it, as they said.
    pub by: String,
    /// The bytes of the file.
    pub bytes: u64,
    /// The controls it is for, sorted, each once; at least one.
    pub controls: Vec<AttachedTo>,
    /// The file's name, without folders.
    pub file: String,
    /// What the file is, by the ending of its name, e.g. `application/pdf`.
    pub media_type: String,
    /// A remark, if somebody made one.
    pub note: Option<String>,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// What it is called; without a title of its own, the file's name.
    pub title: String,
    /// The first day that it counts for; `null`: the day it was sealed.
    pub valid_from: Option<Date>,
    /// The last day that it counts for; `null`: it does not run out.
    pub valid_until: Option<Date>,
}

/// A control that something is attached to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachedTo {
    /// Its catalogue.
    pub catalog: CatalogId,
    /// Its number.
    pub control: ControlId,
}

impl Attachment {
    /// What is wrong with it as a record, whatever the file holds; `None` if nothing is.
    pub fn fault(&self) -> Option<&'static str> {
        if self.bytes == 0 {
            Some("its file is empty")
        } else if self.controls.is_empty() {
            Some("it is for no control")
        } else if !self.controls.is_sorted_by(|one, other| one < other) {
            Some("its controls are not sorted, or are there twice")
        } else if self.by.trim().is_empty() || self.title.trim().is_empty() {
            Some("it does not say who brought it, or what it is called")
        } else if self.file.is_empty() || self.file.contains(['/', '\\']) {
            Some("its file's name is none")
        } else if self.valid_from.zip(self.valid_until).is_some_and(|(from, until)| until < from) {
            Some("it runs out before it begins to count")
        } else {
            None
        }
    }

    /// Whether it has run out on this day.
    pub fn is_over(&self, day: Date) -> bool {
        self.valid_until.is_some_and(|until| until < day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canon;

    type Change = fn(&mut Attachment);

    fn attachment() -> Attachment {
        let control =
            |number: &str| AttachedTo { catalog: "iso27001-2022".parse().unwrap(), control: number.parse().unwrap() };
        Attachment {
            agent: "prod-eu".parse().unwrap(),
            at: "2026-01-31T12:00:00Z".parse().unwrap(),
            by: "Jo Example".to_owned(),
            bytes: 11,
            controls: vec![control("A.5.1"), control("A.6.3")],
            file: "training.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            note: None,
            sha256: Digest::of(b"a few bytes"),
            title: "Training 2026".to_owned(),
            valid_from: None,
            valid_until: Some("2026-12-31".parse().unwrap()),
        }
    }

    #[test]
    fn its_bytes_are_canonical_and_strict() {
        let bytes = canon::to_vec(&attachment());
        let sha256 = Digest::of(b"a few bytes");
        let expected = format!(
            "{{\"agent\":\"prod-eu\",\"at\":\"2026-01-31T12:00:00Z\",\"by\":\"Jo Example\",\"bytes\":11,\"controls\":[\
             {{\"catalog\":\"iso27001-2022\",\"control\":\"A.5.1\"}},{{\"catalog\":\"iso27001-2022\",\"control\":\"A.6.3\"}}],\
             \"file\":\"training.pdf\",\"media_type\":\"application/pdf\",\"note\":null,\"sha256\":\"{sha256}\",\
             \"title\":\"Training 2026\",\"valid_from\":null,\"valid_until\":\"2026-12-31\"}}"
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(serde_json::from_slice::<Attachment>(&bytes).unwrap(), attachment());
        let more = expected.replacen('{', "{\"more\":1,", 1);
        assert!(serde_json::from_str::<Attachment>(&more).is_err());
    }

    #[test]
    fn a_record_that_cannot_be_right_is_told() {
        assert_eq!(attachment().fault(), None);
        let wrong: [(&str, Change); 7] = [
            ("empty", |one| one.bytes = 0),
            ("no control", |one| one.controls.clear()),
            ("sorted", |one| one.controls.reverse()),
            ("twice", |one| one.controls[1] = one.controls[0].clone()),
            ("who", |one| " ".clone_into(&mut one.by)),
            ("name", |one| "../x".clone_into(&mut one.file)),
            ("runs out", |one| one.valid_from = Some("2027-01-01".parse().unwrap())),
        ];
        for (what, change) in wrong {
            let mut one = attachment();
            change(&mut one);
            assert!(one.fault().is_some_and(|fault| fault.contains(what)), "{what}: {:?}", one.fault());
        }
    }

    #[test]
    fn it_counts_through_its_last_day() {
        let one = attachment();
        assert!(!one.is_over("2026-12-31".parse().unwrap()));
        assert!(one.is_over("2027-01-01".parse().unwrap()));
        assert!(!Attachment { valid_until: None, ..one }.is_over("9999-12-31".parse().unwrap()));
    }
}
