//! The stored form: everything that is needed to judge the same resources again, years later.

use std::sync::Arc;

use evidenced_model::CheckId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{Examples, KindFile, ParamDecl};
use crate::error::LoadError;
use crate::judge::Settings;
use crate::library::{Library, Loaded};

/// Grows when the same library gives other verdicts.
pub const EVALUATOR: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    evaluator: u32,
    kinds: Vec<KindFile>,
    params: std::collections::BTreeMap<String, ParamDecl>,
    settings: Settings,
}

impl Library {
    /// The library and its settings as one document. Examples stay behind: they do not change a verdict.
    pub fn to_json(&self, settings: &Settings) -> Value {
        let kinds = self.kinds().map(|kind| KindFile {
            kind: kind.decl.kind.clone(),
            extends: false,
            title: Some(kind.decl.title.clone()),
            span: Some(kind.decl.span),
            lists: Some(kind.decl.lists.clone()),
            fields: Some(kind.decl.fields.clone()),
            sample: Some(kind.sample.clone()),
            checks: kind
                .checks
                .iter()
                .map(|check| crate::Check { examples: Examples::default(), ..crate::Check::clone(check) })
                .collect(),
        });
        let stored = Stored {
            evaluator: EVALUATOR,
            kinds: kinds.collect(),
            params: self.params().clone(),
            settings: settings.clone(),
        };
        #[expect(clippy::expect_used, reason = "our own types serialise; a failure is a bug, not an input")]
        serde_json::to_value(stored).expect("the library serialises")
    }

    /// Rebuilds the library and its settings from their document.
    pub fn from_json(document: Value) -> Result<(Arc<Self>, Settings), Vec<LoadError>> {
        const NAME: &str = "stored mappings";
        let stored: Stored = serde_json::from_value(document)
            .map_err(|error| vec![LoadError::new(NAME, format!("not what we store: {error}"))])?;
        if stored.evaluator != EVALUATOR {
            let message = format!(
                "judged by evaluator {}, this is {EVALUATOR}: use the release that wrote the evidence",
                stored.evaluator
            );
            return Err(vec![LoadError::new(NAME, message)]);
        }
        let load = |file: KindFile| Loaded { path: format!("{NAME}/{}.yaml", file.kind), text: String::new(), file };
        let files: Vec<Loaded> = stored.kinds.into_iter().map(load).collect();
        let library = Self::assemble(&files, NAME, stored.params)?;
        Ok((Arc::new(library), stored.settings))
    }

    /// Every check id, sorted.
    pub fn check_ids(&self) -> std::collections::BTreeSet<&CheckId> {
        self.checks().map(|(_, check)| &check.id).collect()
    }
}
