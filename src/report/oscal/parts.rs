//! The parts of an OSCAL document that a run and a period share.

use std::collections::BTreeMap;
use std::io::Write;

use evidenced_model::{AgentId, Digest, KindId, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::words::{plain, string};
use crate::json::ascii_json;
use crate::uuid::uuid;
use crate::visible::{is_object_path, object_digest};
use crate::{OperationQuery, Provenance, ReportError};

/// The version of OSCAL that is written. Later versions of the same major number read it.
const OSCAL: &str = "1.1.2";
/// The namespace of our own properties.
const NAMESPACE: &str = "https://example.com/evidenced/ns/oscal";

/// A property of our own.
pub(super) fn prop(name: &str, value: impl std::fmt::Display) -> Value {
    json!({"name": name, "ns": NAMESPACE, "value": string(&value.to_string())})
}

/// A member that may not be an empty list, and is left out instead.
pub(super) fn some(object: &mut Value, name: &str, list: Vec<Value>) {
    if let (Some(object), false) = (object.as_object_mut(), list.is_empty()) {
        object.insert(name.to_owned(), list.into());
    }
}

/// What is cited: each stored file once, with its digest.
#[derive(Debug, Default)]
pub(super) struct Cited {
    resources: BTreeMap<String, Value>,
}

impl Cited {
    /// Cites a signed statement.
    pub(super) fn statement(&mut self, path: &str, digest: &Digest) {
        self.add(path, "Signed statement of a run", "application/vnd.in-toto+json", digest);
    }

    /// The relevant evidence for an object of the store, which is cited with it.
    pub(super) fn object(&mut self, path: &str, what: &str) -> Value {
        let mut evidence = json!({"description": what});
        if !is_object_path(path) {
            return evidence;
        }
        evidence["href"] = path.into();
        if let Some(digest) = object_digest(path) {
            let resource = self.add(path, "Stored lines of findings", "application/zstd", &digest);
            evidence["props"] = json!([prop("sha256", digest)]);
            evidence["links"] = json!([{"href": format!("#{resource}"), "rel": "reference"}]);
        }
        evidence
    }

    fn add(&mut self, path: &str, title: &str, media_type: &str, digest: &Digest) -> String {
        let id = uuid(&["resource", path, &digest.to_string()]);
        self.resources.entry(path.to_owned()).or_insert_with(|| {
            json!({
                "uuid": id,
                "title": title,
                "rlinks": [{
                    "href": path,
                    "media-type": media_type,
                    "hashes": [{"algorithm": "SHA-256", "value": digest.to_string()}],
                }],
            })
        });
        id
    }
}

/// The resources that findings are about, each once.
#[derive(Debug, Default)]
pub(super) struct Items {
    items: BTreeMap<String, Value>,
}

impl Items {
    /// The subject of an observation, which becomes an item of the inventory.
    pub(super) fn subject(&mut self, kind: &KindId, scope: &Scope, resource: &str) -> Value {
        let place = format!("{}/{}/{}", scope.provider, scope.account, scope.region);
        let id = uuid(&["item", kind.as_str(), &place, resource]);
        self.items.entry(id.clone()).or_insert_with(|| {
            json!({
                "uuid": id,
                "description": format!("{} {} in {}", kind, plain(resource), plain(&place)),
                "props": [
                    prop("kind", kind),
                    prop("provider", &scope.provider),
                    prop("account", &scope.account),
                    prop("region", &scope.region),
                    prop("resource", resource),
                ],
            })
        });
        json!({"subject-uuid": id, "type": "inventory-item", "title": string(resource)})
    }
}

/// A document while it is put together.
pub(super) struct Document<'a> {
    pub(super) title: String,
    /// What names the evidence that it is made from.
    pub(super) seed: String,
    pub(super) version: String,
    pub(super) made: Timestamp,
    pub(super) provenance: &'a Provenance,
    pub(super) objectives: Vec<Value>,
    pub(super) cited: Cited,
    pub(super) items: Items,
}

impl Document<'_> {
    /// The identifier of the tool.
    pub(super) fn tool(&self) -> String {
        uuid(&["tool", &self.seed])
    }

    /// Who found something: the tool.
    pub(super) fn origins(&self) -> Value {
        json!([{"actors": [{"type": "tool", "actor-uuid": self.tool()}]}])
    }

    /// What of the assessment is defined in the result: what was looked at, and with what.
    pub(super) fn definitions(&mut self) -> Value {
        let mut programs: Vec<_> = self.provenance.made_by.iter().flat_map(|by| &by.programs).collect();
        programs.sort();
        programs.dedup();
        let mut props = Vec::new();
        for (version, sha256) in programs {
            props.push(json!({"name": "version", "value": string(version)}));
            props.extend(sha256.map(|digest| prop("sha256", digest)));
        }
        let mut component = json!({
            "uuid": self.tool(),
            "type": "software",
            "title": "evidenced",
            "description": "Reads how clouds are configured, judges what was read by declared checks, and seals both. \
                            It says unknown of what it did not read.",
            "status": {"state": "operational"},
        });
        some(&mut component, "props", props);
        let mut definitions = json!({
            "assessment-assets": {
                "components": [component],
                "assessment-platforms": [{
                    "uuid": uuid(&["platform", &self.seed]),
                    "title": "The agents that collected",
                    "props": self.provenance.made_by.iter().map(|by| prop("agent", &by.agent)).collect::<Vec<_>>(),
                    "uses-components": [{"component-uuid": self.tool()}],
                }],
            },
        });
        let items = std::mem::take(&mut self.items.items);
        some(&mut definitions, "inventory-items", items.into_values().collect());
        definitions
    }

    /// Writes it with its one result.
    pub(super) fn write(self, result: &Value, out: &mut dyn Write) -> Result<(), ReportError> {
        let parties: Vec<Value> = self.provenance.made_by.iter().map(|by| self.party(&by.agent, by)).collect();
        let ids: Vec<Value> = parties.iter().map(|party| party["uuid"].clone()).collect();
        let mut metadata = json!({
            "title": self.title,
            "last-modified": self.made,
            "version": self.version,
            "oscal-version": OSCAL,
            "remarks": "Made by evidenced from signed evidence. A state of satisfied is about what configuration shows, \
                        as the objective of each finding says; whether a control is fulfilled is for an auditor to judge.",
        });
        if !parties.is_empty() {
            metadata["roles"] = json!([{"id": "collector", "title": "Runs the agent that collected the evidence"}]);
            metadata["parties"] = parties.into();
            metadata["responsible-parties"] = json!([{"role-id": "collector", "party-uuids": ids}]);
        }
        let plan = uuid(&["plan", &self.seed]);
        let mut resources = vec![json!({
            "uuid": plan,
            "title": "The plan of this assessment",
            "description": "There is no assessment plan in OSCAL: what was to be read, by which checks, and which controls \
                            they serve is sealed in each run (its coverage, mappings and config), under the digests in \
                            its signed statement.",
            "rlinks": self.cited.resources.values().find(|one| one["title"] == "Signed statement of a run")
                .map_or_else(|| json!([{"href": "v1/runs/"}]), |one| one["rlinks"].clone()),
        })];
        resources.extend(self.cited.resources.into_values());
        let mut document = json!({
            "uuid": uuid(&["assessment-results", &self.seed]),
            "metadata": metadata,
            "import-ap": {
                "href": format!("#{plan}"),
                "remarks": "No OSCAL assessment plan was used; the reference says what stands in its place.",
            },
            "results": [result],
            "back-matter": {"resources": resources},
        });
        if !self.objectives.is_empty() {
            document["local-definitions"] = json!({"objectives-and-methods": self.objectives});
        }
        ascii_json(&json!({"assessment-results": document}), out)
    }

    fn party(&self, agent: &AgentId, by: &crate::provenance::MadeBy) -> Value {
        let mut props = vec![prop("agent", agent)];
        props.extend(by.principals.iter().map(|principal| prop("principal", &principal.id)));
        props.extend(by.key.map(|key| prop("public-key-sha256", key)));
        json!({
            "uuid": uuid(&["party", &self.seed, agent.as_str()]),
            "type": "organization",
            "name": format!("Whoever runs the agent {agent}"),
            "props": props,
        })
    }
}

/// What the information is worth: the properties and the remarks of the result.
pub(super) fn worth(provenance: &Provenance) -> (Vec<Value>, String) {
    let complete = &provenance.completeness;
    let mut props = vec![prop("store", &provenance.source.store)];
    for account in &provenance.source.accounts {
        let what = if account.read { "account-read" } else { "account-not-read" };
        props.push(prop(what, format!("{}:{}", account.provider, account.account)));
    }
    if let Some(findings) = complete.findings {
        for (name, count) in [
            ("findings-pass", findings.pass),
            ("findings-fail", findings.fail),
            ("findings-unknown", findings.unknown),
            ("findings-not-applicable", findings.not_applicable),
        ] {
            props.push(prop(name, count));
        }
    }
    for asked in &provenance.query.operations {
        let OperationQuery { provider, operation, ok, not_answered, .. } = asked;
        props.push(prop("operation", format!("{provider} {operation}: {ok} answered, {not_answered} not")));
    }
    props.extend(complete.resources.map(|count| prop("resources-read", count)));
    props.push(prop("gaps", complete.gaps));
    props.push(prop("findings-left-out", complete.left_out));
    for (agent, head) in &provenance.verify.heads {
        props.push(prop("log-head", format!("{agent} {head}")));
    }
    for command in &provenance.verify.commands {
        props.push(prop("verify", command));
    }
    let mut remarks: Vec<String> =
        complete.cautions.iter().map(|caution| format!("Caution: {}", plain(caution))).collect();
    if complete.withheld {
        remarks.push("Made from a pack that withholds findings: what it does not show is not in here.".to_owned());
    }
    for gap in &complete.unread {
        let call = gap.call.as_deref().map_or_else(String::new, |call| format!(" at {}", plain(call)));
        let missing =
            gap.permission.as_deref().map_or_else(String::new, |name| format!(", for want of {}", plain(name)));
        remarks.push(format!("Not read: {} times {}{call}{missing}.", gap.count, plain(&gap.cause)));
    }
    for exclusion in &provenance.source.excluded {
        remarks.push(format!("Out of scope by declaration, in {}: {}.", exclusion.provider, plain(&exclusion.reason)));
    }
    (props, remarks.join("\n\n"))
}
