//! What is to be withheld, as it is asked for.

use std::collections::BTreeSet;
use std::str::FromStr;

use evidenced_model::{Attachment, CatalogId, ControlId, ObjectiveId, Scope, glob};
use evidenced_seal::statement::subject;
use evidenced_seal::withheld::Reason;

use crate::PackError;

/// One thing that is to be withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `account=ID`: everything of an account.
    Account(String),
    /// `document=NAME`: a document of each run, the coverage of each account, or what people brought.
    Document(&'static str),
    /// `kind=GLOB`: resources of a kind, and findings about them or resting on them.
    Kind(String),
    /// `region=NAME`: resources of a region, and findings about them or resting on them.
    Region(String),
    /// `tag=KEY` or `tag=KEY=VALUE`: resources that have the tag in any run of the pack, and findings about them or
    /// resting on them.
    Tag(String, Option<String>),
}

/// What people brought, as a rule names it: records and files.
pub(crate) const ATTACHMENTS: &str = "attachments";

/// What can be withheld as a document. The manifest's and the trees' own digests stay.
const DOCUMENTS: [&str; 7] = [
    ATTACHMENTS,
    subject::CALLS,
    subject::CONFIG,
    subject::CONTROLS,
    subject::COVERAGE,
    subject::MANIFEST,
    subject::MAPPINGS,
];

impl FromStr for Rule {
    type Err = PackError;

    fn from_str(text: &str) -> Result<Self, PackError> {
        let wrong = |what: String| PackError::Rule { rule: text.to_owned(), what };
        let (what, value) = text.split_once('=').unwrap_or((text, ""));
        if value.is_empty() {
            let what = "expected kind=GLOB, account=ID, region=NAME, tag=KEY=VALUE or document=NAME";
            return Err(wrong(what.to_owned()));
        }
        match what {
            "account" => Ok(Self::Account(value.to_owned())),
            "kind" => Ok(Self::Kind(value.to_owned())),
            "region" => Ok(Self::Region(value.to_owned())),
            "tag" => Ok(match value.split_once('=') {
                Some((key, value)) => Self::Tag(key.to_owned(), Some(value.to_owned())),
                None => Self::Tag(value.to_owned(), None),
            }),
            "document" => match DOCUMENTS.iter().find(|known| **known == value) {
                Some(known) => Ok(Self::Document(known)),
                None => Err(wrong(format!("there is no document {value:?}; known: {}", DOCUMENTS.join(", ")))),
            },
            _ => Err(wrong(format!("{what:?} is none of kind, account, region, tag, document"))),
        }
    }
}

/// What a pack for some controls shows; everything else is withheld from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The controls: what people brought for others is not shown.
    pub controls: BTreeSet<(CatalogId, ControlId)>,
    /// The kinds that the controls' checks ask about, and those that these join.
    pub kinds: BTreeSet<String>,
    /// The objectives behind the controls.
    pub objectives: BTreeSet<ObjectiveId>,
}

/// All rules together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Only what serves some controls is shown.
    pub kept: Option<Kept>,
    /// What is withheld.
    pub rules: Vec<Rule>,
    /// A chunk of which anything is withheld is withheld as a whole.
    pub whole: bool,
}

impl Rules {
    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        self.kept.is_none() && self.rules.is_empty()
    }

    /// Why a document of a run is withheld.
    pub(crate) fn document(&self, name: &str) -> Option<Reason> {
        let asked = |rule: &Rule| matches!(rule, Rule::Document(document) if *document == name);
        self.rules.iter().any(asked).then_some(Reason::Document)
    }

    /// Why something that somebody brought is withheld.
    pub(crate) fn attachment(&self, record: &Attachment) -> Option<Reason> {
        let kept = self.kept.as_ref()?;
        let mut keys = record.controls.iter().map(|to| (to.catalog.clone(), to.control.clone()));
        (!keys.any(|key| kept.controls.contains(&key))).then_some(Reason::Control)
    }

    /// Why everything of a kind in a place is withheld.
    pub(crate) fn place(&self, scope: &Scope, kind: &str) -> Option<Reason> {
        self.account(scope.account.as_str()).or_else(|| {
            self.rules.iter().find_map(|rule| match rule {
                Rule::Kind(pattern) if glob(pattern, kind) => Some(Reason::Kind),
                Rule::Region(region) if region == scope.region.as_str() => Some(Reason::Region),
                _ => None,
            })
        })
    }

    /// Why everything of an account is withheld.
    pub(crate) fn account(&self, account: &str) -> Option<Reason> {
        let asked = |rule: &Rule| matches!(rule, Rule::Account(id) if id == account);
        self.rules.iter().any(asked).then_some(Reason::Account)
    }

    /// Whether the resources of a kind are beside the controls that the pack is about.
    pub(crate) fn is_beside(&self, kind: &str) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.kinds.contains(kind))
    }

    /// Whether a resource with these tags is withheld for one of them.
    pub(crate) fn tagged(&self, tags: &serde_json::Value) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Tag(key, None) => tags.get(key).is_some(),
            Rule::Tag(key, Some(value)) => tags.get(key).is_some_and(|there| there == value),
            _ => false,
        })
    }

    /// Whether any rule is about tags.
    pub(crate) fn ask_for_tags(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Tag(..)))
    }

    /// Whether findings have to be looked at one by one.
    pub(crate) fn ask_for_findings(&self) -> bool {
        self.kept.is_some() || self.rules.iter().any(|rule| !matches!(rule, Rule::Document(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_what_is_none_is_explained() {
        let rule = |text: &str| text.parse::<Rule>().map_err(|error| error.to_string());
        assert_eq!(rule("kind=aws.iam.*"), Ok(Rule::Kind("aws.iam.*".to_owned())));
        assert_eq!(rule("tag=owner"), Ok(Rule::Tag("owner".to_owned(), None)));
        assert_eq!(rule("tag=a=b=c"), Ok(Rule::Tag("a".to_owned(), Some("b=c".to_owned()))));
        assert_eq!(rule("document=config"), Ok(Rule::Document("config")));
        for (text, part) in [
            ("kind", "expected kind=GLOB"),
            ("kind=", "expected kind=GLOB"),
            ("document=inventory", "known: attachments, calls, config"),
            ("user=alice", "none of kind"),
        ] {
            let error = rule(text).unwrap_err();
            assert!(error.contains(part) && error.contains(text), "{error}");
        }
    }
}
