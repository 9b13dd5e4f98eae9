//! Microsoft Entra ID: the directory with its settings, people, roles, policies and applications, through Microsoft Graph.

mod applications;
mod groups;
mod operations;
mod policies;
mod roles;
mod tenant;
mod users;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use evidenced_kit::{Collector, Manifest, Operation, Out, Reach};
use evidenced_model::{Refusal, Scope};
use serde_json::Value;

use crate::draft::{Draft, text};
use crate::inventory::named;
use crate::session::{Ask, Session, malformed};

const TENANT: &str = "azure.entra.tenant";
const CA_POLICY: &str = "azure.entra.ca_policy";
const NAMED_LOCATION: &str = "azure.entra.named_location";
const ROLE_ASSIGNMENT: &str = "azure.entra.role_assignment";
const GROUP_MEMBER: &str = "azure.entra.group_member";
const USER: &str = "azure.entra.user";
const APPLICATION: &str = "azure.entra.application";
const DIAGNOSTIC_SETTING: &str = "azure.entra.diagnostic_setting";

/// What the collector of a tenant reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.entra",
    title: "The directory: settings, people, roles, conditional access, applications",
    kinds: &[TENANT, CA_POLICY, NAMED_LOCATION, ROLE_ASSIGNMENT, GROUP_MEMBER, USER, APPLICATION, DIAGNOSTIC_SETTING],
    reach: Reach::Account,
    operations: operations::ALL,
};

/// Reads a tenant.
pub(crate) struct Entra {
    session: Arc<Session>,
}

/// Groups whose members matter, or why not all of them are known.
#[derive(Default)]
struct Groups {
    ids: BTreeSet<String>,
    refusal: Option<Refusal>,
}

impl Groups {
    fn miss(&mut self, refusal: &Refusal) {
        self.refusal.get_or_insert_with(|| refusal.clone());
    }
}

impl Entra {
    /// A collector with this identity.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// A listing of Microsoft Graph.
    async fn list(&self, scope: &Scope, operation: &'static Operation, path: &str) -> (Vec<Value>, Option<Refusal>) {
        self.session.list(scope, operation, &Ask::graph(path)).await
    }

    /// A single answer of Microsoft Graph.
    async fn get(&self, scope: &Scope, operation: &'static Operation, path: &str) -> Result<Value, Refusal> {
        self.session.get(scope, operation, &Ask::graph(path)).await.map(|answer| answer.body)
    }

    /// A draft of an item that names itself by `id`.
    fn draft(kind: &'static str, scope: &Scope, item: &Value, operation: &'static Operation) -> Option<Draft> {
        let own = text(item, "id").filter(|id| !id.is_empty())?;
        let mut draft = Draft::new(named(kind), own.to_owned(), scope.clone(), operation);
        draft.read("id", own);
        Some(draft)
    }

    /// Writes what items say, and how the listing ended. An item without an id is a hole in it.
    async fn write(
        kind: &'static str,
        operation: &'static Operation,
        drafts: Vec<Option<Draft>>,
        refusal: Option<Refusal>,
        out: &mut Out,
    ) {
        let mut refusal = refusal;
        for draft in drafts {
            match draft {
                Some(draft) => out.resource(draft.resource).await,
                None => drop(refusal.get_or_insert_with(|| malformed(operation)).clone()),
            }
        }
        match refusal {
            Some(refusal) => out.gap(kind, refusal).await,
            None => out.complete(kind).await,
        }
    }
}

#[async_trait]
impl Collector for Entra {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let mut groups = Groups::default();
        self.tenant(scope, &mut out.clone()).await;
        self.policies(scope, &mut out.clone(), &mut groups).await;
        self.locations(scope, &mut out.clone()).await;
        self.roles(scope, &mut out.clone(), &mut groups).await;
        self.users(scope, &mut out.clone()).await;
        self.applications(scope, &mut out.clone()).await;
        self.diagnostics(scope, &mut out.clone()).await;
        self.members(scope, &mut out.clone(), groups).await;
    }
}

/// What Microsoft Graph calls an item, in lower case, e.g. `#microsoft.graph.user`.
fn type_of(item: &Value) -> String {
    item.get("@odata.type").and_then(Value::as_str).unwrap_or_default().to_lowercase()
}

fn is_group(item: &Value) -> bool {
    type_of(item).rsplit('.').next() == Some("group")
}
