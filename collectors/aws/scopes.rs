//! Which accounts and regions there are, and who we are in them.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_account::types::RegionOptStatus;
use evidenced_kit::{AccountSession, Calls, Listed, OpenContext, Opened, Operation, Per, Principal};
use evidenced_model::{Account, Cause, Refusal, Region, Scope};

use crate::client::{ClientOptions, Partition, Session, provider, region, shared_config};
use crate::rights::Simulated;
use crate::target::Target;
use crate::transport::Door;

pub(crate) static CALLER_IDENTITY: Operation =
    Operation { call: "sts:GetCallerIdentity", permission: "sts:GetCallerIdentity", absent: &[], per: Per::Start };
pub(crate) static LIST_REGIONS: Operation =
    Operation { call: "account:ListRegions", permission: "account:ListRegions", absent: &[], per: Per::Start };

/// The regions that every commercial account has, for when the list of enabled ones cannot be read.
const DEFAULT_REGIONS: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Opens every account of a target.
pub(crate) async fn open(target: &Target, context: &OpenContext) -> Opened {
    let options = ClientOptions { endpoint_url: target.endpoint_url.clone(), ..ClientOptions::default() };
    let (config, door) = shared_config(&options, context).await;
    let calls = Calls::new(Arc::clone(&context.limits), Arc::clone(&context.stats), Arc::clone(&context.clock));
    let partition = Partition::of_region(config.region().map_or("us-east-1", AsRef::as_ref));
    let identity = identity(&config, &door, &calls, partition).await;
    let own = identity.as_ref().ok().map(|(account, _)| account.clone());
    let wanted = match (&target.accounts, &own) {
        (Some(accounts), _) => accounts.clone(),
        (None, Some(own)) => vec![own.clone()],
        // Nobody knows which account it would have been.
        (None, None) => vec![unknown_account()],
    };
    let mut opened = Opened::default();
    for (account, reason) in &target.exclude {
        opened.listing.push(Listed {
            account: account.clone(),
            name: None,
            provider: provider(),
            state: "excluded".into(),
            reason: Some(reason.clone()),
        });
    }
    for account in wanted.into_iter().filter(|account| !target.exclude.contains_key(account)) {
        if !context.mine.has(&provider(), &account) {
            let state = "elsewhere".into();
            opened.listing.push(Listed { account, name: None, provider: provider(), state, reason: None });
            continue;
        }
        let entry =
            Entry { target, context, config: &config, door: &door, calls: &calls, partition, identity: &identity };
        entry.open(account, &mut opened).await;
    }
    opened
}

type Identity = Result<(Account, String), Refusal>;

struct Entry<'a> {
    target: &'a Target,
    context: &'a OpenContext,
    config: &'a SdkConfig,
    door: &'a Door,
    calls: &'a Calls,
    partition: Partition,
    identity: &'a Identity,
}

impl Entry<'_> {
    async fn open(&self, account: Account, opened: &mut Opened) {
        let own = matches!(self.identity, Ok((own, _)) if own == &account);
        let reached = match (self.identity, &self.target.role) {
            (Err(refusal), _) => Err(refusal.clone()),
            (Ok((_, arn)), None) if own => Ok((self.config.clone(), arn.clone())),
            (Ok(_), None) => Err(Refusal {
                call: "sts:AssumeRole".into(),
                cause: Cause::Denied,
                code: Some("NoRoleConfigured".into()),
                permission: Some("sts:AssumeRole".into()),
            }),
            (Ok(_), Some(role)) => self.assume(&account, role).await,
        };
        let (state, session) = match reached {
            Ok((config, arn)) => {
                opened.principals.push(Principal { account: account.clone(), id: arn.clone(), provider: provider() });
                let session = Arc::new(Session::new(
                    config,
                    Arc::clone(self.door),
                    self.calls.clone(),
                    account.clone(),
                    self.partition,
                ));
                ("read", self.account(account.clone(), &session, arn).await)
            }
            Err(refusal) => ("unreachable", self.unreachable(account.clone(), refusal)),
        };
        let reason = session.gaps.first().map(|gap| match &gap.code {
            Some(code) => format!("{}: {}, {code}", gap.call, gap.cause),
            None => format!("{}: {}", gap.call, gap.cause),
        });
        opened.listing.push(Listed { account, name: None, provider: provider(), state: state.into(), reason });
        opened.accounts.push(session);
    }

    /// The role's credentials, with the run id as session name, so that the account's own trail names the run.
    async fn assume(&self, account: &Account, role: &str) -> Result<(SdkConfig, String), Refusal> {
        let arn = if role.starts_with("arn:") {
            role.to_owned()
        } else {
            format!("arn:{}:iam::{account}:role/{role}", self.partition.as_str())
        };
        let mut builder = AssumeRoleProvider::builder(&arn)
            .session_name(format!("evidenced-{}", self.context.run))
            .region(aws_config::Region::from_static(self.partition.home_region()))
            .configure(self.config);
        if let Some(id) = &self.target.external_id {
            builder = builder.external_id(id);
        }
        let credentials = SharedCredentialsProvider::new(builder.build().await);
        let config = self.config.to_builder().credentials_provider(credentials).build();
        match identity(&config, self.door, self.calls, self.partition).await {
            Ok((reached, caller)) if &reached == account => Ok((config, caller)),
            Ok((reached, _)) => {
                tracing::error!(%account, %reached, "the role leads to another account than the config names");
                Err(assume_refused(Some("WrongAccount".into())))
            }
            Err(refusal) => Err(assume_refused(refusal.code)),
        }
    }

    async fn account(&self, account: Account, session: &Arc<Session>, caller: String) -> AccountSession {
        let (regions, gaps) = match &self.target.regions {
            Some(regions) => (regions.clone(), Vec::new()),
            None => match enabled_regions(session).await {
                Ok(regions) => (regions, Vec::new()),
                Err(refusal) => (self.assumed_regions(), vec![refusal]),
            },
        };
        let collectors = crate::collectors(session, &regions);
        AccountSession {
            account,
            provider: provider(),
            regions,
            excluded: self.target.excluded.clone(),
            collectors,
            manifests: None,
            rights: Some(Arc::new(Simulated::new(session, caller))),
            gaps,
        }
    }

    fn unreachable(&self, account: Account, refusal: Refusal) -> AccountSession {
        AccountSession {
            account,
            provider: provider(),
            regions: self.target.regions.clone().unwrap_or_else(|| self.assumed_regions()),
            excluded: self.target.excluded.clone(),
            collectors: Vec::new(),
            manifests: None,
            rights: None,
            gaps: vec![refusal],
        }
    }

    fn assumed_regions(&self) -> Vec<Region> {
        match self.partition {
            Partition::Aws => DEFAULT_REGIONS.iter().map(|name| region(name)).collect(),
            other => vec![region(other.home_region())],
        }
    }
}

fn assume_refused(code: Option<String>) -> Refusal {
    Refusal { call: "sts:AssumeRole".into(), cause: Cause::Denied, code, permission: Some("sts:AssumeRole".into()) }
}

async fn identity(config: &SdkConfig, door: &Door, calls: &Calls, partition: Partition) -> Identity {
    let session = Session::new(config.clone(), Arc::clone(door), calls.clone(), unknown_account(), partition);
    let home = session.home();
    let client = session.sts(&home);
    let scope = Scope { account: unknown_account(), provider: provider(), region: home };
    let answer = session.call(&scope, &CALLER_IDENTITY, || client.get_caller_identity().send()).await?;
    match (answer.account().and_then(|id| Account::parse(id).ok()), answer.arn()) {
        (Some(account), Some(arn)) => Ok((account, arn.to_owned())),
        _ => Err(Refusal { call: CALLER_IDENTITY.call.into(), cause: Cause::Malformed, code: None, permission: None }),
    }
}

async fn enabled_regions(session: &Session) -> Result<Vec<Region>, Refusal> {
    let home = session.home();
    let client = session.account_management(&home);
    let scope = Scope { account: session.account().clone(), provider: provider(), region: Region::global() };
    let mut regions = Vec::new();
    let mut token = None;
    loop {
        let page = session
            .call(&scope, &LIST_REGIONS, || {
                client
                    .list_regions()
                    .region_opt_status_contains(RegionOptStatus::Enabled)
                    .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
                    .max_results(50)
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        regions.extend(page.regions().iter().filter_map(|r| r.region_name()).map(region));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    regions.sort();
    Ok(regions)
}

fn unknown_account() -> Account {
    #[expect(clippy::expect_used, reason = "a constant")]
    Account::parse("unknown").expect("a constant")
}
