//! Loading kinds, checks and parameters from their files, and their stored form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::Env;
use evidenced_model::{CheckId, KindDecl, KindId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::definition::{Check, Examples, KindFile, ParamDecl, fits, shape_name, value_name};
use crate::error::{LoadError, hint};
use crate::functions;
use crate::plan::{Ground, KindPlan};

/// Names that examples use for themselves.
const RESERVED_FIELDS: &[&str] = &["now", "params", "population", "scope", "with"];

/// A kind with its checks.
#[derive(Debug)]
pub struct Kind {
    /// What collectors and checks agreed on.
    pub decl: KindDecl,
    /// A resource with every field; null is absent.
    pub sample: Map<String, Value>,
    /// The checks over it, in the order of their files.
    pub checks: Vec<Arc<Check>>,
    pub(crate) plan: KindPlan,
}

/// Every kind, check and parameter, checked against each other.
pub struct Library {
    pub(crate) kinds: BTreeMap<KindId, Kind>,
    pub(crate) params: BTreeMap<String, ParamDecl>,
    pub(crate) env: Arc<Env>,
    /// Checks that are known and that nobody will run.
    pub(crate) left_out: BTreeSet<CheckId>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("kinds", &self.kinds).field("params", &self.params).finish_non_exhaustive()
    }
}

impl Library {
    /// Loads the files, each a path for messages and its text, and the parameters.
    ///
    /// A file without `fields`, or with `extends: true`, adds checks to a kind that another file declares.
    pub fn load(
        files: impl IntoIterator<Item = (String, String)>,
        params: (String, String),
    ) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        let params = parse::<BTreeMap<String, ParamDecl>>(&params.0, &params.1)
            .map(|decls| (params.0, decls))
            .map_err(|error| errors.push(error))
            .unwrap_or_default();
        let mut parsed = Vec::new();
        for (path, text) in files {
            match parse::<KindFile>(&path, &text) {
                Ok(file) => parsed.push(Loaded { path, text, file }),
                Err(error) => errors.push(error),
            }
        }
        // What a file that cannot be read would have declared, the others would miss.
        if !errors.is_empty() {
            errors.sort();
            return Err(errors);
        }
        Self::assemble(&parsed, &params.0, params.1)
    }

    pub(crate) fn assemble(
        files: &[Loaded],
        params_path: &str,
        params: BTreeMap<String, ParamDecl>,
    ) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        for (name, param) in &params {
            let Some(default) = &param.default else { continue };
            if !fits(param.shape, default) {
                let (expected, found) = (shape_name(param.shape), value_name(default));
                errors.push(LoadError::new(
                    params_path,
                    format!("parameter {name:?} is declared as {expected}, but its default is {found}"),
                ));
            }
        }
        let mut drafts = declare(files, &mut errors);
        adopt(files, &mut drafts, &mut errors);
        let env = match functions::environment() {
            Ok(env) => Arc::new(env),
            Err(error) => return Err(vec![LoadError::new(params_path, error.to_string())]),
        };
        let mut kinds = BTreeMap::new();
        {
            let decls: BTreeMap<KindId, &KindDecl> =
                drafts.iter().map(|(id, draft)| (id.clone(), &draft.decl)).collect();
            let ground = Ground { env: &env, kinds: &decls, params: &params };
            for (id, draft) in &drafts {
                let checks: Vec<_> = draft.checks.iter().map(|(_, check)| Arc::new((*check).clone())).collect();
                match ground.compile(&draft.decl, &checks) {
                    Ok(plan) => {
                        let kind = Kind { decl: draft.decl.clone(), sample: draft.sample.clone(), checks, plan };
                        kinds.insert(id.clone(), kind);
                    }
                    Err(wrong) => errors.extend(wrong.into_iter().map(|(index, message)| {
                        let (file, check) = draft.checks[index];
                        file.error_in(&check.id, message)
                    })),
                }
            }
        }
        if errors.is_empty() {
            Ok(Self { kinds, params, env, left_out: BTreeSet::new() })
        } else {
            errors.sort();
            errors.dedup();
            Err(errors)
        }
    }

    /// The same without the examples, which take more memory than all that a run needs.
    #[must_use]
    pub fn without_examples(mut self) -> Self {
        for kind in self.kinds.values_mut() {
            for (check, plan) in kind.checks.iter_mut().zip(&mut kind.plan.checks) {
                *check = Arc::new(Check { examples: Examples::default(), ..Check::clone(check) });
                plan.check = Arc::clone(check);
            }
        }
        self
    }

    /// The same with these kinds only. Settings may still speak of the checks that are left out.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&KindId) -> bool) -> Self {
        let gone: Vec<KindId> = self.kinds.keys().filter(|kind| !keep(kind)).cloned().collect();
        for kind in gone.iter().filter_map(|kind| self.kinds.remove(kind)) {
            self.left_out.extend(kind.checks.iter().map(|check| check.id.clone()));
        }
        self
    }

    /// The kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// One kind.
    pub fn kind(&self, id: &KindId) -> Option<&Kind> {
        self.kinds.get(id)
    }

    /// Every check with its kind, in the order of kinds and files.
    pub fn checks(&self) -> impl Iterator<Item = (&Kind, &Check)> {
        self.kinds.values().flat_map(|kind| kind.checks.iter().map(move |check| (kind, &**check)))
    }

    /// One check with its kind.
    pub fn check(&self, id: &CheckId) -> Option<(&Kind, &Check)> {
        self.checks().find(|(_, check)| check.id == *id)
    }

    /// The parameters, by name.
    pub fn params(&self) -> &BTreeMap<String, ParamDecl> {
        &self.params
    }
}

/// A file that parsed.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) file: KindFile,
}

impl Loaded {
    fn is_extension(&self) -> bool {
        self.file.extends || (self.file.fields.is_none() && self.file.sample.is_none())
    }

    fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::new(&self.path, message)
    }

    /// An error in a check, with the line of its id.
    fn error_in(&self, check: &CheckId, message: impl Into<String>) -> LoadError {
        let is_id = |line: &str| {
            let line = line.trim_start().trim_start_matches("- ").trim_start_matches("{ ");
            line.strip_prefix("id:").is_some_and(|id| id.trim().trim_matches(['"', '\'', ',']) == check.as_str())
        };
        let line = (1..).zip(self.text.lines()).find(|(_, line)| is_id(line)).map(|(number, _)| number);
        LoadError { line, check: Some(check.to_string()), ..self.error(message) }
    }
}

struct Draft<'a> {
    decl: KindDecl,
    sample: Map<String, Value>,
    checks: Vec<(&'a Loaded, &'a Check)>,
}

/// The kinds that the files declare.
fn declare<'a>(files: &'a [Loaded], errors: &mut Vec<LoadError>) -> BTreeMap<KindId, Draft<'a>> {
    let mut drafts: BTreeMap<KindId, Draft<'a>> = BTreeMap::new();
    for loaded in files.iter().filter(|loaded| !loaded.is_extension()) {
        let KindFile { kind, title, span, lists, fields, sample, .. } = &loaded.file;
        let name = loaded.path.rsplit('/').next().unwrap_or_default();
        if name.strip_suffix(".yaml").is_some_and(|stem| stem != kind.as_str()) {
            errors.push(loaded.error(format!("declares {kind}: call the file {kind}.yaml")));
        }
        let (Some(title), Some(span), Some(lists), Some(fields), Some(sample)) = (title, span, lists, fields, sample)
        else {
            errors.push(loaded.error("a kind has `title`, `span`, `lists`, `fields` and `sample`"));
            continue;
        };
        let decl = KindDecl {
            kind: kind.clone(),
            title: title.clone(),
            span: *span,
            lists: lists.clone(),
            fields: fields.clone(),
        };
        for field in fields.keys().filter(|field| !is_field_name(field)) {
            errors.push(loaded.error(format!(
                "field {field:?}: names are lower-case letters, digits and _, and none of {}",
                RESERVED_FIELDS.join(", ")
            )));
        }
        errors
            .extend(misfits(&decl, sample, true).into_iter().map(|message| loaded.error(format!("sample: {message}"))));
        let draft = Draft { decl, sample: sample.clone(), checks: Vec::new() };
        if drafts.insert(kind.clone(), draft).is_some() {
            errors.push(loaded.error(format!(
                "{kind} is declared twice; a file that only adds checks to it has no fields and no sample"
            )));
        }
    }
    drafts
}

/// Gives every check to its kind.
fn adopt<'a>(files: &'a [Loaded], drafts: &mut BTreeMap<KindId, Draft<'a>>, errors: &mut Vec<LoadError>) {
    let mut seen: BTreeMap<&CheckId, &str> = BTreeMap::new();
    let known: BTreeSet<KindId> = drafts.keys().cloned().collect();
    for loaded in files {
        let KindFile { kind, title, span, lists, fields, sample, checks, .. } = &loaded.file;
        if loaded.is_extension()
            && (title.is_some() || span.is_some() || lists.is_some() || fields.is_some() || sample.is_some())
        {
            errors.push(loaded.error("a file that only adds checks has `kind` and `checks`, nothing else"));
        }
        let Some(draft) = drafts.get_mut(kind) else {
            if loaded.is_extension() {
                let near = hint(kind.as_str(), known.iter().map(KindId::as_str));
                errors.push(loaded.error(format!("there is no kind {:?}{near}", kind.as_str())));
            }
            continue;
        };
        for check in checks {
            if let Some(first) = seen.insert(&check.id, &loaded.path) {
                errors.push(loaded.error_in(&check.id, format!("this id is already taken, in {first}")));
            }
            if check.id.provider() != kind.provider() {
                errors
                    .push(loaded.error_in(&check.id, format!("a check over {kind} begins with {}.", kind.provider())));
            }
            draft.checks.push((loaded, check));
        }
    }
}

fn is_field_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !RESERVED_FIELDS.contains(&name)
}

/// What keeps values from being a resource of the kind.
pub(crate) fn misfits(decl: &KindDecl, values: &Map<String, Value>, whole: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in values {
        let Some(field) = decl.fields.get(name) else {
            let near = hint(name, decl.fields.keys().map(String::as_str));
            wrong.push(format!("{} declares no field {name:?}{near}", decl.kind));
            continue;
        };
        if value.is_null() {
            if !field.nullable {
                wrong.push(format!("{name} is null, but not declared nullable"));
            }
        } else if !fits(field.shape, value) {
            wrong.push(format!("{name} is declared as {}, not {}", shape_name(field.shape), value_name(value)));
        }
    }
    if whole {
        wrong.extend(
            decl.fields.keys().filter(|name| !values.contains_key(*name)).map(|name| format!("{name} is missing")),
        );
    }
    wrong
}

fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, LoadError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let message = match error.without_snippet() {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let near = hint(field, expected.iter().copied());
                format!("there is no key {field:?} here{near}; the keys are {}", expected.join(", "))
            }
            other => {
                let rendered = other.render();
                rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        };
        LoadError { line, ..LoadError::new(path, message) }
    })
}
