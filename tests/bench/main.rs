//! The program as it is, with one cloud made of numbers: so many resources of 2 KB, to measure every stage after the
//! network. `evidenced-bench collect -c FILE`, with `targets: [{ synthetic: { resources: 1000000 } }]`.

mod history;
mod scripted;
mod sealed;
mod simulated;
mod store;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use evidenced_kit::{AccountSession, Cloud, Collector, Listed, Manifest, OpenContext, Opened, Out, Reach, TargetError};
use evidenced_model::{Account, KindId, Provider, Resource, Scope};
use serde_json::{Value, json};

use crate::scripted::Script;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    if std::env::args().nth(1).as_deref() == Some("places") {
        return evidenced_agent::print_places().into();
    }
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("make-store") => return made(sealed::make(&arguments[2..])),
        Some("make-history") => return made(history::make(&arguments[2..])),
        Some("hash") => {
            let _ = writeln!(std::io::stdout(), "{:.0}", sealed::hashing());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if arguments.last().is_some_and(|last| last == "store") {
        return store::run();
    }
    let clouds: Vec<Box<dyn Cloud>> = vec![Box::new(Synthetic)];
    match simulated::asked_for() {
        Some(time) => evidenced_agent::run_in(clouds, std::env::args_os(), time).into(),
        None => evidenced_agent::run(clouds, std::env::args_os()).into(),
    }
}

fn made(result: sealed::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

const KIND: &str = "synthetic.store.thing";

static MANIFEST: Manifest = Manifest {
    id: "synthetic.store",
    title: "Things made of numbers",
    kinds: &[KIND],
    reach: Reach::Account,
    operations: &[],
};

struct Synthetic;

#[async_trait]
impl Cloud for Synthetic {
    fn provider(&self) -> Provider {
        provider()
    }

    fn manifests(&self) -> Vec<&'static Manifest> {
        vec![&MANIFEST]
    }

    fn check(&self, target: &Value) -> Result<(), TargetError> {
        resources(target).map(|_| ())
    }

    fn schema(&self) -> Value {
        json!({"type": "object"})
    }

    async fn open(&self, target: &Value, context: &OpenContext) -> Result<Opened, TargetError> {
        let mut opened = Opened::default();
        for account in accounts(target) {
            let own = context.mine.has(&provider(), &account);
            let state = if own { "read" } else { "elsewhere" };
            let (named, state) = (account.clone(), state.into());
            let listed = Listed { account: named, name: None, provider: provider(), state, reason: None };
            opened.listing.push(listed);
            if !own {
                continue;
            }
            let script = match target["script"].as_str() {
                Some(path) => Script::read(path, context.clock.now(), account.as_str())
                    .map_err(|message| TargetError { path: vec!["script".into()], message })?,
                None => Script::default(),
            };
            opened.accounts.push(AccountSession {
                account,
                provider: provider(),
                regions: Vec::new(),
                excluded: std::collections::BTreeMap::default(),
                collectors: vec![Arc::new(Things { resources: resources(target)?, script })],
                manifests: None,
                rights: None,
                gaps: Vec::new(),
            });
        }
        Ok(opened)
    }
}

struct Things {
    resources: u64,
    script: Script,
}

#[async_trait]
impl Collector for Things {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let kind: KindId = KindId::parse(KIND).unwrap_or_else(|error| panic!("{error}"));
        if self.script.denied() {
            return out.gap(KIND, scripted::unlisted()).await;
        }
        for number in 0..self.resources {
            if let Some(thing) = self.script.play(number, thing(&kind, number, scope)) {
                out.resource(thing).await;
            }
        }
        out.complete(KIND).await;
    }
}

/// About 2 KB, in shapes that clouds use: short words, a document, lists, dates.
fn thing(kind: &KindId, number: u64, scope: &Scope) -> Resource {
    let mut resource = Resource::new(kind.clone(), format!("arn:synthetic:store:::thing-{number:08}"), scope.clone());
    let statements: Vec<Value> = (0..4)
        .map(|index| {
            json!({
                "Sid": format!("Statement{index}"), "Effect": "Allow",
                "Action": ["store:GetThing", "store:ListThings", "store:PutThing"],
                "Principal": {"AWS": [format!("arn:aws:iam::123456789012:role/reader-{}", (number + index) % 977)]},
                "Resource": [format!("arn:synthetic:store:::thing-{number:08}/*")],
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-exampleorgid"]}},
            })
        })
        .collect();
    resource
        .read("name", format!("thing-{number:08}"))
        .read("owner", format!("team-{}", number % 53))
        .read("encrypted", !number.is_multiple_of(17))
        .read("versioned", !number.is_multiple_of(3))
        .read("public", number.is_multiple_of(101))
        .read("logging", !number.is_multiple_of(5))
        .read("retention_days", 30 + number % 700)
        .read("algorithm", if number.is_multiple_of(7) { "aws:kms" } else { "AES256" })
        .read("state", if number.is_multiple_of(11) { "disabled" } else { "enabled" })
        .read("created", "2025-03-01T00:00:00Z")
        .read("policy", json!({"Version": "2012-10-17", "Statement": statements}))
        .read("tags", json!({"env": "production", "cost-centre": format!("cc-{}", number % 311), "owner": "example"}));
    if number.is_multiple_of(2) {
        resource.read("key", format!("arn:aws:kms:eu-west-1:123456789012:key/{number:032x}"));
    } else {
        resource.absent("key");
    }
    resource
}

fn resources(target: &Value) -> Result<u64, TargetError> {
    target["resources"]
        .as_u64()
        .ok_or_else(|| TargetError { path: vec!["resources".into()], message: "expected a number of resources".into() })
}

/// The accounts of the target, or the one that stands for none.
fn accounts(target: &Value) -> Vec<Account> {
    let named: Vec<&str> = target["accounts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let named = if named.is_empty() { vec!["123456789012"] } else { named };
    named.into_iter().map(|id| Account::parse(id).unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn provider() -> Provider {
    Provider::parse("synthetic").unwrap_or_else(|error| panic!("{error}"))
}
