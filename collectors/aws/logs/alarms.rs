//! The metric alarms of a region on the metrics of its filters, and who has subscribed to their topics.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm};
use aws_sdk_sns::types::Subscription;
use evidenced_kit::{Operation, Per};
use evidenced_model::{Refusal, Scope};
use serde_json::{Value, json};

use crate::Session;
use crate::values::{malformed, pages};

pub(super) static DESCRIBE_ALARMS: Operation = Operation {
    call: "cloudwatch:DescribeAlarms",
    permission: "cloudwatch:DescribeAlarms",
    absent: &[],
    per: Per::Page(100),
};
pub(super) static LIST_SUBSCRIPTIONS: Operation = Operation {
    call: "sns:ListSubscriptionsByTopic",
    permission: "sns:ListSubscriptionsByTopic",
    // The topic was deleted: nobody hears of the alarm.
    absent: &["NotFound", "NotFoundException"],
    per: Per::Demand,
};

/// A metric, whatever its dimensions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metric {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Alarms by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Alarms(BTreeMap<String, Alarm>);

#[derive(Debug, Clone, PartialEq)]
struct Alarm {
    actions_enabled: bool,
    actions: Vec<String>,
    metrics: BTreeSet<Metric>,
}

impl Alarms {
    /// The region's metric alarms on any of these metrics; one bulk listing, and none where there are no metrics.
    pub(super) async fn read(session: &Session, scope: &Scope, metrics: &BTreeSet<Metric>) -> Result<Self, Refusal> {
        if metrics.is_empty() {
            return Ok(Self::default());
        }
        let client = &session.cloudwatch(&scope.region);
        let (alarms, refusal) = pages(&DESCRIBE_ALARMS, |token| async move {
            let ask = || {
                let ask = client.describe_alarms().alarm_types(AlarmType::MetricAlarm).max_records(100);
                ask.set_next_token(token.clone()).send()
            };
            let page = session.call(scope, &DESCRIBE_ALARMS, ask).await?;
            Ok((page.metric_alarms, page.next_token))
        })
        .await;
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let mut read = BTreeMap::new();
        for alarm in alarms {
            let watched: BTreeSet<Metric> = metrics_of(&alarm).filter(|metric| metrics.contains(metric)).collect();
            if !watched.is_empty() {
                let (name, alarm) = read_alarm(alarm, watched).ok_or_else(|| malformed(&DESCRIBE_ALARMS))?;
                read.insert(name, alarm);
            }
        }
        Ok(Self(read))
    }

    /// Those on any of these metrics.
    pub(super) fn of(&self, metrics: &BTreeSet<Metric>) -> Self {
        let own = self.0.iter().filter(|(_, alarm)| !alarm.metrics.is_disjoint(metrics));
        Self(own.map(|(name, alarm)| (name.clone(), alarm.clone())).collect())
    }

    /// The topics among their actions.
    pub(super) fn topics(&self) -> BTreeSet<&str> {
        let actions = self.0.values().flat_map(|alarm| &alarm.actions).map(String::as_str);
        actions.filter(|action| action.split(':').nth(2) == Some("sns")).collect()
    }

    /// As evidence.
    pub(super) fn listed(&self) -> Value {
        let listed = self.0.iter().map(
            |(name, alarm)| json!({ "name": name, "actions_enabled": alarm.actions_enabled, "actions": alarm.actions }),
        );
        listed.collect()
    }
}

/// What an alarm watches: its metric, or those in its expression.
fn metrics_of(alarm: &MetricAlarm) -> impl Iterator<Item = Metric> {
    let own = alarm.namespace.as_ref().zip(alarm.metric_name.as_ref());
    let parts = alarm.metrics.iter().flatten().filter_map(|query| query.metric_stat.as_ref()?.metric.as_ref());
    let queried = parts.filter_map(|metric| metric.namespace.as_ref().zip(metric.metric_name.as_ref()));
    own.into_iter().chain(queried).map(|(namespace, name)| Metric { namespace: namespace.clone(), name: name.clone() })
}

fn read_alarm(alarm: MetricAlarm, metrics: BTreeSet<Metric>) -> Option<(String, Alarm)> {
    let mut actions = alarm.alarm_actions.unwrap_or_default();
    actions.sort();
    Some((alarm.alarm_name?, Alarm { actions_enabled: alarm.actions_enabled?, actions, metrics }))
}

/// How many have subscribed, by topic.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<String, Result<Counts, Refusal>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    confirmed: u64,
    pending: u64,
}

impl Subscriptions {
    /// Asks each topic.
    pub(super) async fn read(session: &Session, scope: &Scope, topics: BTreeSet<&str>) -> Self {
        let mut read = BTreeMap::new();
        for topic in topics {
            read.insert(topic.to_owned(), count(session, scope, topic).await);
        }
        Self(read)
    }

    /// Those of some topics, as evidence; refused if one of them is.
    pub(super) fn of(&self, topics: BTreeSet<&str>) -> Result<Value, &Refusal> {
        let counts = topics.into_iter().filter_map(|topic| Some((topic, self.0.get(topic)?)));
        counts
            .map(|(topic, counts)| {
                let Counts { confirmed, pending } = counts.as_ref()?;
                Ok(json!({ "topic": topic, "confirmed": confirmed, "pending": pending }))
            })
            .collect()
    }
}

async fn count(session: &Session, scope: &Scope, topic: &str) -> Result<Counts, Refusal> {
    let client = &session.sns(&scope.region);
    let (subscriptions, refusal) = pages(&LIST_SUBSCRIPTIONS, |token| async move {
        let ask = || client.list_subscriptions_by_topic().topic_arn(topic).set_next_token(token.clone()).send();
        match session.call_optional(scope, &LIST_SUBSCRIPTIONS, ask).await? {
            Some(page) => Ok((page.subscriptions, page.next_token)),
            None => Ok((Some(Vec::new()), None)),
        }
    })
    .await;
    refusal.map_or_else(|| tally(&subscriptions).ok_or_else(|| malformed(&LIST_SUBSCRIPTIONS)), Err)
}

/// A confirmed subscription has an ARN; others have a word there (`PendingConfirmation`, `Deleted`).
fn tally(subscriptions: &[Subscription]) -> Option<Counts> {
    let mut counts = Counts::default();
    for subscription in subscriptions {
        match subscription.subscription_arn.as_deref()? {
            arn if arn.starts_with("arn:") => counts.confirmed += 1,
            "PendingConfirmation" => counts.pending += 1,
            _ => {}
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confirmed_subscriptions_have_an_arn() {
        let subscribed = |arn: &str| Subscription::builder().subscription_arn(arn).build();
        let all = ["arn:aws:sns:eu-west-1:123456789012:t:1", "PendingConfirmation", "Deleted"].map(subscribed);
        assert_eq!(tally(&all), Some(Counts { confirmed: 1, pending: 1 }));
        assert_eq!(tally(&[Subscription::builder().build()]), None);
    }

    #[test]
    fn alarms_on_expressions_watch_their_metrics_too() {
        use aws_sdk_cloudwatch::types::{Metric as CloudMetric, MetricDataQuery, MetricStat};
        let metric = CloudMetric::builder().namespace("Security").metric_name("RootUse").build();
        let stat = MetricStat::builder().metric(metric).build();
        let alarm = MetricAlarm::builder().metrics(MetricDataQuery::builder().metric_stat(stat).build()).build();
        let watched: Vec<Metric> = metrics_of(&alarm).collect();
        assert_eq!(watched, [Metric { namespace: "Security".into(), name: "RootUse".into() }]);
    }
}
