//! `CloudTrail`: every trail that records the account, its own and its organisation's, each once.

mod selectors;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types::Trail;
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Cause, Refusal, Region, Resource, Scope, Unread};
use futures::StreamExt as _;

use self::selectors::Recorded;
use crate::Session;
use crate::client::region;
use crate::s3::{Buckets, HEAD_BUCKET, LIST_BUCKETS, Owner};
use crate::shape::{account_of, day, place};
use crate::values::{kind, malformed};

const TRAIL: &str = "aws.cloudtrail.trail";

static DESCRIBE_TRAILS: Operation = Operation {
    call: "cloudtrail:DescribeTrails",
    permission: "cloudtrail:DescribeTrails",
    absent: &[],
    per: Per::Start,
};
static GET_TRAIL_STATUS: Operation = each("cloudtrail:GetTrailStatus", &[]);
static GET_EVENT_SELECTORS: Operation = each("cloudtrail:GetEventSelectors", &[]);
static GET_INSIGHT_SELECTORS: Operation = each("cloudtrail:GetInsightSelectors", &["InsightNotEnabledException"]);

const fn each(call: &'static str, absent: &'static [&'static str]) -> Operation {
    Operation { call, permission: call, absent, per: Per::Resource(TRAIL) }
}

/// What the `CloudTrail` collector reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.cloudtrail",
    title: "Trails, what they record and where it goes",
    kinds: &[TRAIL],
    reach: Reach::Account,
    operations: &[
        &DESCRIBE_TRAILS,
        &GET_TRAIL_STATUS,
        &GET_EVENT_SELECTORS,
        &GET_INSIGHT_SELECTORS,
        &LIST_BUCKETS,
        &HEAD_BUCKET,
    ],
};

/// Regions asked, and trails read, at once.
const CONCURRENT: usize = 8;

const STATUS: &[&str] = &["is_logging", "delivered", "delivery_error", "log_group_delivered", "log_group_error"];
const SELECTORS: &[&str] =
    &["selectors", "management_reads", "management_writes", "management_excluded", "object_events"];

/// Reads the trails of one account.
///
/// A trail of several regions shows in each of them, and one of the organisation shows in each account; a trail whose
/// home is outside the regions of the run is still seen from one of these. So every region is asked with shadows, and
/// a trail that was seen more than once is kept once, in its home region.
pub(crate) struct CloudTrail {
    session: Arc<Session>,
    regions: Vec<Region>,
    buckets: Arc<Buckets>,
}

/// A trail, and the region to ask about it.
struct Seen {
    trail: Trail,
    ask_in: Region,
}

impl CloudTrail {
    /// A collector for the regions of a run, over a listing of buckets that others may share.
    pub(crate) fn new(session: &Arc<Session>, regions: &[Region], buckets: &Arc<Buckets>) -> Self {
        Self { session: Arc::clone(session), regions: regions.to_vec(), buckets: Arc::clone(buckets) }
    }

    /// Every trail by its ARN, and the regions that refused to name theirs.
    async fn seen(&self) -> (BTreeMap<String, Seen>, Vec<Refusal>) {
        let ask = |region: &Region| {
            let (region, client) = (region.clone(), self.session.cloudtrail(region));
            async move {
                let scope = place(&self.session, region.clone());
                let attempt = || client.describe_trails().include_shadow_trails(true).send();
                (region, self.session.call(&scope, &DESCRIBE_TRAILS, attempt).await)
            }
        };
        let asking: Vec<_> = self.regions.iter().map(ask).collect();
        let mut answers = futures::stream::iter(asking).buffered(CONCURRENT);
        let (mut seen, mut refusals) = (BTreeMap::new(), Vec::new());
        while let Some((asked, answer)) = answers.next().await {
            let trails = match answer.map(|answer| answer.trail_list) {
                Ok(Some(trails)) => trails,
                Ok(None) => {
                    refusals.push(malformed(&DESCRIBE_TRAILS));
                    continue;
                }
                Err(refusal) => {
                    refusals.push(refusal);
                    continue;
                }
            };
            for trail in trails {
                let Some(arn) = trail.trail_arn.clone() else {
                    refusals.push(malformed(&DESCRIBE_TRAILS));
                    continue;
                };
                let home = trail.home_region.as_deref().is_some_and(|home| home == asked.as_str());
                if home || !seen.contains_key(&arn) {
                    seen.insert(arn, Seen { trail, ask_in: asked.clone() });
                }
            }
        }
        (seen, refusals)
    }

    async fn read(&self, arn: &str, seen: &Seen) -> Resource {
        let Seen { trail, ask_in } = seen;
        let home = trail.home_region.as_deref().map_or_else(Region::unknown, region);
        let mut resource = Resource::new(kind(TRAIL), arn, place(&self.session, home));
        self.describe(arn, trail, &mut resource).await;
        let client = self.session.cloudtrail(ask_in);
        let scope = place(&self.session, ask_in.clone());
        self.status(&client, &scope, arn, &mut resource).await;
        self.selectors(&client, &scope, arn, &mut resource).await;
        self.insights(&client, &scope, arn, &mut resource).await;
        resource
    }

    async fn describe(&self, arn: &str, trail: &Trail, resource: &mut Resource) {
        let own = self.session.account().as_str();
        resource.read("arn", arn).read("account_id", own);
        let mut required = |field: &str, value: Option<serde_json::Value>| {
            match value {
                Some(value) => resource.read(field, value),
                None => resource.unread(field, &malformed(&DESCRIBE_TRAILS)),
            };
        };
        required("name", trail.name.as_deref().map(Into::into));
        required("owner_account", account_of(arn).map(Into::into));
        required("home_region", trail.home_region.as_deref().map(Into::into));
        required("multi_region", trail.is_multi_region_trail.map(Into::into));
        required("organization", trail.is_organization_trail.map(Into::into));
        required("global_events", trail.include_global_service_events.map(Into::into));
        required("log_validation", trail.log_file_validation_enabled.map(Into::into));
        required("bucket", trail.s3_bucket_name.as_deref().map(Into::into));
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        resource.optional("log_group_arn", given(&trail.cloud_watch_logs_log_group_arn));
        resource.optional("topic", given(&trail.sns_topic_arn));
        let key = given(&trail.kms_key_id);
        resource.optional("kms_key", key.clone());
        if key.as_deref().and_then(account_of).is_some_and(|account| account != own) {
            resource.unread("own_kms_key", elsewhere("kms:DescribeKey"));
        } else {
            resource.optional("own_kms_key", key);
        }
        match trail.s3_bucket_name.as_deref() {
            Some(bucket) => self.own_bucket(bucket, resource).await,
            None => unread(resource, &["own_bucket"], &malformed(&DESCRIBE_TRAILS)),
        }
    }

    async fn own_bucket(&self, bucket: &str, resource: &mut Resource) {
        const FIELD: &str = "own_bucket";
        match self.buckets.owner(bucket).await {
            Ok(Owner::Own) => resource.read(FIELD, bucket),
            Ok(Owner::Nobody) => resource.absent(FIELD),
            Ok(Owner::Foreign(_)) => resource.unread(FIELD, elsewhere(HEAD_BUCKET.call)),
            Err(refusal) => resource.unread(FIELD, &refusal),
        };
    }

    async fn status(&self, client: &Client, scope: &Scope, arn: &str, resource: &mut Resource) {
        let attempt = || client.get_trail_status().name(arn).send();
        match self.session.call(scope, &GET_TRAIL_STATUS, attempt).await {
            Ok(answer) => status(&answer, resource),
            Err(refusal) => unread(resource, STATUS, &refusal),
        }
    }

    async fn selectors(&self, client: &Client, scope: &Scope, arn: &str, resource: &mut Resource) {
        let attempt = || client.get_event_selectors().trail_name(arn).send();
        let answer = match self.session.call(scope, &GET_EVENT_SELECTORS, attempt).await {
            Ok(answer) => answer,
            Err(refusal) => return unread(resource, SELECTORS, &refusal),
        };
        let recorded = match (&answer.advanced_event_selectors, &answer.event_selectors) {
            (Some(advanced), _) if !advanced.is_empty() => Recorded::advanced(advanced),
            (_, Some(classic)) => Recorded::classic(classic),
            (Some(_), None) => Recorded::default(),
            (None, None) => return unread(resource, SELECTORS, &malformed(&GET_EVENT_SELECTORS)),
        };
        resource.read("selectors", recorded.selectors);
        resource.read("management_reads", recorded.management_reads);
        resource.read("management_writes", recorded.management_writes);
        resource.read("management_excluded", recorded.management_excluded);
        resource.read("object_events", recorded.object_events);
    }

    async fn insights(&self, client: &Client, scope: &Scope, arn: &str, resource: &mut Resource) {
        let attempt = || client.get_insight_selectors().trail_name(arn).send();
        match self.session.call_optional(scope, &GET_INSIGHT_SELECTORS, attempt).await {
            Ok(Some(answer)) if answer.trail_arn.is_none() => {
                unread(resource, &["insights"], &malformed(&GET_INSIGHT_SELECTORS));
            }
            Ok(answer) => {
                let selectors = answer.and_then(|answer| answer.insight_selectors).filter(|found| !found.is_empty());
                let names = selectors.map(|selectors| {
                    let types = selectors.iter().filter_map(|selector| selector.insight_type.as_ref());
                    let mut names: Vec<String> = types.map(|kind| kind.as_str().to_owned()).collect();
                    names.sort();
                    names
                });
                resource.optional("insights", names);
            }
            Err(refusal) => unread(resource, &["insights"], &refusal),
        }
    }
}

#[async_trait]
impl Collector for CloudTrail {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, _: &Scope, out: &mut Out) {
        let (seen, refusals) = self.seen().await;
        let reading: Vec<_> = seen.iter().map(|(arn, seen)| self.read(arn, seen)).collect();
        let mut reading = futures::stream::iter(reading).buffer_unordered(CONCURRENT);
        while let Some(resource) = reading.next().await {
            out.resource(resource).await;
        }
        if refusals.is_empty() {
            out.complete(TRAIL).await;
        }
        for refusal in refusals {
            out.gap_everywhere(TRAIL, refusal).await;
        }
    }
}

fn status(answer: &GetTrailStatusOutput, resource: &mut Resource) {
    let Some(is_logging) = answer.is_logging else { return unread(resource, STATUS, &malformed(&GET_TRAIL_STATUS)) };
    resource.read("is_logging", is_logging);
    let error = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    resource.optional("delivered", answer.latest_delivery_time.as_ref().and_then(day));
    resource.optional("delivery_error", error(&answer.latest_delivery_error));
    resource.optional("log_group_delivered", answer.latest_cloud_watch_logs_delivery_time.as_ref().and_then(day));
    resource.optional("log_group_error", error(&answer.latest_cloud_watch_logs_delivery_error));
}

fn unread(resource: &mut Resource, fields: &[&str], why: &Refusal) {
    for field in fields {
        resource.unread(field, why);
    }
}

/// Something of another account, which this account's run does not look into.
fn elsewhere(call: &str) -> Unread {
    Unread { call: Some(call.to_owned()), cause: Cause::Skipped, permission: None }
}
