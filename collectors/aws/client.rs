//! One account's credentials and clients: one connection pool, one door for every call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use evidenced_kit::{Answered, Calls, Captured, Failure, OpenContext, Operation};
use evidenced_model::{Account, Provider, Refusal, Region, Scope};

use crate::error::classify;
use crate::s3::Wire;
use crate::transport::{self, Door, Tap};

/// How to reach AWS.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// A custom endpoint for every service (an emulator), else AWS's own.
    pub endpoint_url: Option<String>,
    /// Stands in for the network: cassettes in tests.
    pub http_client: Option<SharedHttpClient>,
    /// Stands in for the default chain: cassettes in tests.
    pub credentials: Option<SharedCredentialsProvider>,
}

/// One account's credentials, and the door for its calls. Collectors take their clients from here.
pub struct Session {
    config: SdkConfig,
    calls: Calls,
    account: Account,
    partition: Partition,
    wire: Wire,
}

/// A partition of AWS: separate accounts, regions and endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Commercial regions.
    Aws,
    /// China.
    China,
    /// US government.
    UsGov,
}

impl Partition {
    /// By a region's name.
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::China
        } else if region.starts_with("us-gov-") {
            Self::UsGov
        } else {
            Self::Aws
        }
    }

    /// Its name in ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::UsGov => "aws-us-gov",
        }
    }

    /// The region that answers for services without one.
    pub fn home_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::China => "cn-north-1",
            Self::UsGov => "us-gov-west-1",
        }
    }
}

/// The SDK configuration that every client of a run shares: the default credential chain, no retries of its own
/// (the kit retries), one connection pool.
pub(crate) async fn shared_config(options: &ClientOptions, context: &OpenContext) -> (SdkConfig, Door) {
    let plain = options.endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
    let inner = options.http_client.clone().unwrap_or_else(|| transport::real(plain));
    let custom_host = options
        .endpoint_url
        .as_deref()
        .and_then(|url| url.parse::<http::Uri>().ok())
        .and_then(|uri| uri.authority().map(ToString::to_string));
    let (stats, clock, door) = (Arc::clone(&context.stats), Arc::clone(&context.clock), Door::default());
    let tap = Tap { inner, stats, clock, custom_host, door: Arc::clone(&door) };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(SharedHttpClient::new(tap))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(10)).build());
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(credentials.clone()).region(aws_config::Region::from_static("us-east-1"));
    }
    (loader.load().await, door)
}

/// Declares one client constructor for each service.
macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident => $sdk:ident;)*) => {
        impl Session {
            $($(#[$doc])*
            pub fn $name(&self, region: &Region) -> $sdk::Client {
                $sdk::Client::new(&self.in_region(region))
            })*
        }
    };
}

clients! {
    /// IAM Access Analyzer.
    accessanalyzer => aws_sdk_accessanalyzer;
    /// Account management.
    account_management => aws_sdk_account;
    /// CloudTrail.
    cloudtrail => aws_sdk_cloudtrail;
    /// CloudWatch alarms.
    cloudwatch => aws_sdk_cloudwatch;
    /// CloudWatch Logs.
    logs => aws_sdk_cloudwatchlogs;
    /// AWS Config.
    config_service => aws_sdk_config;
    /// GuardDuty.
    guardduty => aws_sdk_guardduty;
    /// IAM.
    iam => aws_sdk_iam;
    /// KMS.
    kms => aws_sdk_kms;
    /// S3 Control.
    s3control => aws_sdk_s3control;
    /// Security Hub.
    securityhub => aws_sdk_securityhub;
    /// SNS.
    sns => aws_sdk_sns;
    /// IAM Identity Center.
    ssoadmin => aws_sdk_ssoadmin;
    /// STS.
    sts => aws_sdk_sts;
}

impl Session {
    /// A session of one account with these credentials.
    pub(crate) fn new(config: SdkConfig, door: Door, calls: Calls, account: Account, partition: Partition) -> Self {
        let wire = Wire::new(config.clone(), door);
        Self { config, calls, account, partition, wire }
    }

    /// A session on a cassette (or any other stand-in for the network), for tests and the recorder.
    pub async fn detached(options: &ClientOptions, context: &OpenContext, account: Account) -> Self {
        let (config, door) = shared_config(options, context).await;
        let calls = Calls::new(Arc::clone(&context.limits), Arc::clone(&context.stats), Arc::clone(&context.clock));
        Self::new(config, door, calls, account, Partition::Aws)
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The region that answers for services without one.
    pub fn home(&self) -> Region {
        region(self.partition.home_region())
    }

    /// S3, by path where the endpoint is our own choice (emulators have no bucket names in DNS).
    pub fn s3(&self, region: &Region) -> aws_sdk_s3::Client {
        let shared = self.in_region(region);
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(self.config.endpoint_url().is_some())
            .disable_s3_express_session_auth(true)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// The settings of buckets, without the SDK's machinery around each call.
    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Makes one call that is not the SDK's: limits, timeout, retries, counts.
    pub(crate) async fn ask<T, F>(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
    ) -> Answered<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.calls.call_optional(scope, operation, attempt, Failure::clone).await
    }

    /// Notes that what an operation answered is older than the answer.
    pub(crate) fn captured(&self, scope: &Scope, operation: &Operation, when: Captured) {
        self.calls.captured(scope, operation, when);
    }

    /// The time.
    pub fn now(&self) -> jiff::Timestamp {
        self.calls.clock().now()
    }

    /// How long to wait before asking again for something that is under way.
    pub(crate) fn backoff(&self) -> Duration {
        self.calls.backoff()
    }

    /// Makes one call: limits, timeout, retries, counts. Every error is a refusal with its cause and permission.
    pub async fn call<T, E, F>(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
    ) -> Result<T, Refusal>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.calls.call(scope, operation, attempt, classify).await
    }

    /// Makes one call whose documented error codes mean "there is none".
    pub async fn call_optional<T, E, F>(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
    ) -> Answered<T>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.calls.call_optional(scope, operation, attempt, classify).await
    }

    fn in_region(&self, region: &Region) -> SdkConfig {
        let name = if region.as_str() == "global" { self.partition.home_region() } else { region.as_str() };
        self.config.to_builder().region(aws_config::Region::new(name.to_owned())).build()
    }
}

/// AWS as a provider.
pub(crate) fn provider() -> Provider {
    #[expect(clippy::expect_used, reason = "a constant")]
    Provider::parse("aws").expect("a constant")
}

/// A region whose name comes from AWS or the config; what cannot be a name becomes `unknown`.
pub(crate) fn region(name: &str) -> Region {
    Region::parse(name).unwrap_or_else(|_| Region::unknown())
}
