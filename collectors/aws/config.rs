//! AWS Config: the recorders of a region with their delivery channel, and what its rules found.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_config::Client;
use aws_sdk_config::types::{
    ComplianceByConfigRule, ConfigurationRecorder, ConfigurationRecorderStatus, DeliveryChannel, RecordingGroup,
    RecordingStrategyType, ResourceType,
};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach, Write as _};
use evidenced_model::{Refusal, Resource, Scope};

use crate::Session;
use crate::values::{kind, malformed, pages};

const RECORDER: &str = "aws.config.recorder";
const RULE: &str = "aws.config.rule";

/// The types of IAM, which are recorded in one region for all.
const IAM_TYPES: [&str; 4] = ["AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::Role", "AWS::IAM::Policy"];

static RECORDERS: Operation = once("config:DescribeConfigurationRecorders");
static RECORDER_STATUS: Operation = once("config:DescribeConfigurationRecorderStatus");
static CHANNELS: Operation = once("config:DescribeDeliveryChannels");
static CHANNEL_STATUS: Operation = once("config:DescribeDeliveryChannelStatus");
static RULE_COMPLIANCE: Operation = Operation { per: Per::Page(100), ..once("config:DescribeComplianceByConfigRule") };

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.config",
    title: "AWS Config",
    kinds: &[RECORDER, RULE],
    reach: Reach::Region,
    operations: &[&RECORDERS, &RECORDER_STATUS, &CHANNELS, &CHANNEL_STATUS, &RULE_COMPLIANCE],
};

const fn once(call: &'static str) -> Operation {
    Operation { call, permission: call, absent: &[], per: Per::Start }
}

/// Reads AWS Config.
pub(crate) struct Config {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for Config {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = self.session.config_service(&scope.region);
        self.recorders(&client, scope, out).await;
        self.rules(&client, scope, out).await;
    }
}

/// The region's delivery channel: its bucket, and how the last delivery of the history ended.
struct Delivery {
    bucket: Result<Option<String>, Refusal>,
    status: Result<Option<String>, Refusal>,
}

impl Config {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    async fn recorders(&self, client: &Client, scope: &Scope, out: &mut Out) {
        let ask = || client.describe_configuration_recorders().send();
        let answer = self.session.call(scope, &RECORDERS, ask).await;
        let recorders = answer.and_then(|answer| answer.configuration_recorders.ok_or_else(|| malformed(&RECORDERS)));
        let recorders = match recorders {
            Ok(recorders) => recorders,
            Err(refusal) => return out.gap(RECORDER, refusal).await,
        };
        let mut nameless = false;
        if !recorders.is_empty() {
            let statuses = self.statuses(client, scope).await;
            let delivery = self.delivery(client, scope).await;
            for recorder in recorders {
                match read_recorder(recorder, &statuses, &delivery, scope) {
                    Some(resource) => out.resource(resource).await,
                    None => nameless = true,
                }
            }
        }
        if nameless {
            out.gap(RECORDER, malformed(&RECORDERS)).await;
        } else {
            out.complete(RECORDER).await;
        }
    }

    async fn statuses(&self, client: &Client, scope: &Scope) -> Result<Vec<ConfigurationRecorderStatus>, Refusal> {
        let ask = || client.describe_configuration_recorder_status().send();
        let answer = self.session.call(scope, &RECORDER_STATUS, ask).await?;
        answer.configuration_recorders_status.ok_or_else(|| malformed(&RECORDER_STATUS))
    }

    async fn delivery(&self, client: &Client, scope: &Scope) -> Delivery {
        let channel = match self.channel(client, scope).await {
            Ok(Some(channel)) => channel,
            Ok(None) => return Delivery { bucket: Ok(None), status: Ok(None) },
            Err(refusal) => return Delivery { bucket: Err(refusal.clone()), status: Err(refusal) },
        };
        let ask = || client.describe_delivery_channel_status().send();
        let answer = self.session.call(scope, &CHANNEL_STATUS, ask).await;
        let status = answer.and_then(|answer| {
            let statuses = answer.delivery_channels_status.ok_or_else(|| malformed(&CHANNEL_STATUS))?;
            let own = statuses.into_iter().find(|status| status.name == channel.name);
            let info = own.ok_or_else(|| malformed(&CHANNEL_STATUS))?.config_history_delivery_info;
            Ok(info.and_then(|info| info.last_status).map(|status| status.as_str().to_owned()))
        });
        Delivery { bucket: channel.s3_bucket_name.ok_or_else(|| malformed(&CHANNELS)).map(Some), status }
    }

    /// A region has at most one channel.
    async fn channel(&self, client: &Client, scope: &Scope) -> Result<Option<DeliveryChannel>, Refusal> {
        let answer = self.session.call(scope, &CHANNELS, || client.describe_delivery_channels().send()).await?;
        Ok(answer.delivery_channels.ok_or_else(|| malformed(&CHANNELS))?.into_iter().next())
    }

    async fn rules(&self, client: &Client, scope: &Scope, out: &mut Out) {
        let (rules, mut refusal) = pages(&RULE_COMPLIANCE, |token| async move {
            let ask = || client.describe_compliance_by_config_rule().set_next_token(token.clone()).send();
            let page = self.session.call(scope, &RULE_COMPLIANCE, ask).await?;
            Ok((page.compliance_by_config_rules, page.next_token))
        })
        .await;
        for rule in rules {
            match read_rule(rule, scope) {
                Some(resource) => out.resource(resource).await,
                None => refusal = refusal.or_else(|| Some(malformed(&RULE_COMPLIANCE))),
            }
        }
        match refusal {
            Some(refusal) => out.gap(RULE, refusal).await,
            None => out.complete(RULE).await,
        }
    }
}

fn read_recorder(
    recorder: ConfigurationRecorder,
    statuses: &Result<Vec<ConfigurationRecorderStatus>, Refusal>,
    delivery: &Delivery,
    scope: &Scope,
) -> Option<Resource> {
    let name = recorder.name?;
    let mut resource = Resource::new(kind(RECORDER), name.as_str(), scope.clone());
    match recorder.recording_group {
        Some(group) => read_group(&mut resource, group),
        None => resource.unread_all(
            &["all_types", "strategy", "included_types", "excluded_types", "records_iam"],
            &malformed(&RECORDERS),
        ),
    }
    let frequency = recorder.recording_mode.map(|mode| mode.recording_frequency.as_str().to_owned());
    let own = statuses.as_ref().map(|statuses| {
        statuses.iter().find(|status| status.name.as_deref() == Some(&name)).ok_or_else(|| malformed(&RECORDER_STATUS))
    });
    match own {
        Ok(Ok(status)) => {
            resource
                .read("recording", status.recording)
                .optional("last_status", status.last_status.as_ref().map(|status| status.as_str().to_owned()));
        }
        Ok(Err(refusal)) => resource.unread_all(&["recording", "last_status"], &refusal),
        Err(refusal) => resource.unread_all(&["recording", "last_status"], refusal),
    }
    for (field, value) in [("delivery_bucket", &delivery.bucket), ("delivery_status", &delivery.status)] {
        match value {
            Ok(value) => resource.optional(field, value.clone()),
            Err(refusal) => resource.unread(field, refusal),
        };
    }
    resource
        .read("name", name)
        .optional("service_principal", recorder.service_principal)
        .optional("frequency", frequency);
    Some(resource)
}

fn read_group(resource: &mut Resource, group: RecordingGroup) {
    let strategy = group.recording_strategy.and_then(|strategy| strategy.use_only);
    let included = names(group.resource_types);
    let excluded = names(group.exclusion_by_resource_types.and_then(|exclusion| exclusion.resource_types));
    let all = group.all_supported || strategy == Some(RecordingStrategyType::AllSupportedResourceTypes);
    let has = |list: &[String], name: &str| list.iter().any(|item| item == name);
    let records_iam = if all {
        group.include_global_resource_types
    } else if strategy == Some(RecordingStrategyType::ExclusionByResourceTypes) {
        !IAM_TYPES.iter().any(|name| has(&excluded, name))
    } else {
        IAM_TYPES.iter().all(|name| has(&included, name))
    };
    resource
        .read("all_types", all)
        .read("records_iam", records_iam)
        .read("included_types", included)
        .read("excluded_types", excluded)
        .optional("strategy", strategy.map(|strategy| strategy.as_str().to_owned()));
}

fn names(types: Option<Vec<ResourceType>>) -> Vec<String> {
    let mut names: Vec<String> = types.unwrap_or_default().iter().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    names
}

fn read_rule(rule: ComplianceByConfigRule, scope: &Scope) -> Option<Resource> {
    let name = rule.config_rule_name?;
    let mut resource = Resource::new(kind(RULE), name.as_str(), scope.clone());
    let (verdict, count) =
        rule.compliance.map_or((None, None), |found| (found.compliance_type, found.compliance_contributor_count));
    resource
        .read("name", name)
        .optional("compliance", verdict.map(|verdict| verdict.as_str().to_owned()))
        .optional("noncompliant", count.as_ref().map(|count| count.capped_count))
        .optional("noncompliant_capped", count.as_ref().map(|count| count.cap_exceeded));
    Some(resource)
}

#[cfg(test)]
mod tests {
    use aws_sdk_config::types::{ExclusionByResourceTypes, RecordingStrategy};
    use evidenced_model::Field;

    use super::*;

    fn group(strategy: &str, included: &[&str], excluded: &[&str]) -> Resource {
        let types = |names: &[&str]| Some(names.iter().map(|name| ResourceType::from(*name)).collect());
        let group = RecordingGroup::builder()
            .all_supported(strategy == "ALL_SUPPORTED_RESOURCE_TYPES")
            .set_resource_types(types(included))
            .exclusion_by_resource_types(
                ExclusionByResourceTypes::builder().set_resource_types(types(excluded)).build(),
            )
            .recording_strategy(RecordingStrategy::builder().use_only(strategy.into()).build())
            .build();
        let scope = serde_json::from_value(serde_json::json!({
            "provider": "aws", "account": "123456789012", "region": "eu-west-1"
        }));
        let mut resource = Resource::new(kind(RECORDER), "default", scope.unwrap());
        read_group(&mut resource, group);
        resource
    }

    #[test]
    fn a_recorder_says_whether_iam_is_in_it() {
        for (strategy, included, excluded, expected) in [
            ("ALL_SUPPORTED_RESOURCE_TYPES", &[][..], &[][..], false),
            ("INCLUSION_BY_RESOURCE_TYPES", &["AWS::IAM::User"], &[], false),
            ("INCLUSION_BY_RESOURCE_TYPES", &IAM_TYPES, &[], true),
            ("EXCLUSION_BY_RESOURCE_TYPES", &[], &["AWS::EC2::Volume"], true),
            ("EXCLUSION_BY_RESOURCE_TYPES", &[], &["AWS::IAM::Role"], false),
        ] {
            let read = group(strategy, included, excluded);
            assert_eq!(
                read.field("records_iam"),
                &Field::Read(expected.into()),
                "{strategy} {included:?} {excluded:?}"
            );
            assert_eq!(read.field("excluded_types"), &Field::Read(excluded.into()));
        }
    }
}
