//! `CloudWatch` Logs: log groups, and metric filters with the alarms on their metrics and who hears of them.

mod alarms;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{LogGroup, MetricFilter};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Refusal, Resource, Scope};
use serde_json::{Value, json};

use self::alarms::{Alarms, DESCRIBE_ALARMS, LIST_SUBSCRIPTIONS, Metric, Subscriptions};
use crate::Session;
use crate::values::{instant_of_millis, kind, malformed, pages};

const GROUP: &str = "aws.logs.group";
const FILTER: &str = "aws.logs.metric_filter";

static DESCRIBE_GROUPS: Operation =
    Operation { call: "logs:DescribeLogGroups", permission: "logs:DescribeLogGroups", absent: &[], per: Per::Page(50) };
static DESCRIBE_FILTERS: Operation = Operation {
    call: "logs:DescribeMetricFilters",
    permission: "logs:DescribeMetricFilters",
    absent: &[],
    per: Per::Page(50),
};

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.logs",
    title: "CloudWatch Logs, with the alarms on metric filters",
    kinds: &[GROUP, FILTER],
    reach: Reach::Region,
    operations: &[&DESCRIBE_GROUPS, &DESCRIBE_FILTERS, &DESCRIBE_ALARMS, &LIST_SUBSCRIPTIONS],
};

/// Reads `CloudWatch` Logs.
pub(crate) struct Logs {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for Logs {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = self.session.logs(&scope.region);
        self.groups(&client, scope, out).await;
        self.filters(&client, scope, out).await;
    }
}

impl Logs {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    async fn groups(&self, client: &Client, scope: &Scope, out: &mut Out) {
        let (groups, mut refusal) = pages(&DESCRIBE_GROUPS, |token| async move {
            let ask = || client.describe_log_groups().limit(50).set_next_token(token.clone()).send();
            let page = self.session.call(scope, &DESCRIBE_GROUPS, ask).await?;
            Ok((page.log_groups, page.next_token))
        })
        .await;
        for group in groups {
            match read_group(group, scope) {
                Some(resource) => out.resource(resource).await,
                None => refusal = refusal.or_else(|| Some(malformed(&DESCRIBE_GROUPS))),
            }
        }
        match refusal {
            Some(refusal) => out.gap(GROUP, refusal).await,
            None => out.complete(GROUP).await,
        }
    }

    async fn filters(&self, client: &Client, scope: &Scope, out: &mut Out) {
        let (filters, mut refusal) = pages(&DESCRIBE_FILTERS, |token| async move {
            let ask = || client.describe_metric_filters().limit(50).set_next_token(token.clone()).send();
            let page = self.session.call(scope, &DESCRIBE_FILTERS, ask).await?;
            Ok((page.metric_filters, page.next_token))
        })
        .await;
        // Alarms and subscriptions are asked for only where a filter feeds a metric.
        let metrics: BTreeSet<Metric> = filters.iter().flat_map(metrics_of).collect();
        let alarms = Alarms::read(&self.session, scope, &metrics).await;
        let subscriptions = match &alarms {
            Ok(alarms) => Subscriptions::read(&self.session, scope, alarms.topics()).await,
            Err(_) => Subscriptions::default(),
        };
        for filter in filters {
            match self.read_filter(filter, &alarms, &subscriptions, scope) {
                Some(resource) => out.resource(resource).await,
                None => refusal = refusal.or_else(|| Some(malformed(&DESCRIBE_FILTERS))),
            }
        }
        match refusal {
            Some(refusal) => out.gap(FILTER, refusal).await,
            None => out.complete(FILTER).await,
        }
    }

    /// `None` for a filter that cannot be named.
    fn read_filter(
        &self,
        filter: MetricFilter,
        alarms: &Result<Alarms, Refusal>,
        subscriptions: &Subscriptions,
        scope: &Scope,
    ) -> Option<Resource> {
        let metrics: BTreeSet<Metric> = metrics_of(&filter).collect();
        let name = filter.filter_name?;
        let (partition, region, account) = (self.session.partition().as_str(), &scope.region, &scope.account);
        let group = format!("arn:{partition}:logs:{region}:{account}:log-group:{}", filter.log_group_name?);
        let mut resource = Resource::new(kind(FILTER), format!("{group}:metric-filter:{name}"), scope.clone());
        let listed: Vec<Value> =
            metrics.iter().map(|metric| json!({ "name": metric.name, "namespace": metric.namespace })).collect();
        // The service leaves an empty pattern out.
        let pattern = filter.filter_pattern.unwrap_or_default();
        resource.read("name", name).read("log_group_arn", group).read("pattern", pattern).read("metrics", listed);
        match alarms {
            Ok(alarms) => {
                let own = alarms.of(&metrics);
                match subscriptions.of(own.topics()) {
                    Ok(subscriptions) => resource.read("subscriptions", subscriptions),
                    Err(refusal) => resource.unread("subscriptions", refusal),
                };
                resource.read("alarms", own.listed());
            }
            Err(refusal) => {
                resource.unread("alarms", refusal).unread("subscriptions", refusal);
            }
        }
        Some(resource)
    }
}

fn metrics_of(filter: &MetricFilter) -> impl Iterator<Item = Metric> {
    filter
        .metric_transformations
        .iter()
        .flatten()
        .map(|metric| Metric { namespace: metric.metric_namespace.clone(), name: metric.metric_name.clone() })
}

/// `None` for a group that cannot be named.
fn read_group(group: LogGroup, scope: &Scope) -> Option<Resource> {
    let arn = group.log_group_arn.or(group.arn)?;
    let arn = arn.strip_suffix(":*").unwrap_or(&arn);
    let name = group.log_group_name?;
    let mut resource = Resource::new(kind(GROUP), arn, scope.clone());
    resource
        .read("arn", arn)
        .read("name", name)
        .optional("class", group.log_group_class.map(|class| class.as_str().to_owned()))
        .optional("created", group.creation_time.and_then(instant_of_millis))
        .optional("retention_days", group.retention_in_days)
        .optional("kms_key_arn", group.kms_key_id)
        .optional("deletion_protected", group.deletion_protection_enabled);
    Some(resource)
}
