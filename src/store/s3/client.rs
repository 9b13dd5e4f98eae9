//! The client of a bucket: the default credential chain, the bucket's own region, no retries of its own.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::error::trouble;
use crate::Options;
use crate::remote::Trouble;

/// Makes a client, after the store was asked once in which region the bucket is.
pub(super) async fn connect(bucket: &str, options: &Options) -> Result<Client, Trouble> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Retries are ours: few, bounded, with what was learned from the answer.
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(10)).build());
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(key) = &options.aws {
        let credentials = Credentials::new(&key.id, &key.secret, None, None, "given");
        loader = loader.credentials_provider(credentials).region(Region::from_static("us-east-1"));
    }
    let shared = loader.load().await;
    let region = shared.region().cloned().unwrap_or(Region::from_static("us-east-1"));
    // An endpoint of one's own has no names of buckets in DNS.
    let by_path = shared.endpoint_url().is_some();
    let region = match home(&client(&shared, region.clone(), by_path), bucket).await {
        Ok(Some(home)) => Region::new(home),
        // Not everybody who speaks S3's protocol knows regions; what is wrong is told by the request that counts.
        Ok(None) | Err(Trouble::Refused(_) | Trouble::Unsupported(_)) => region,
        Err(trouble) => return Err(trouble),
    };
    Ok(client(&shared, region, by_path))
}

fn client(shared: &SdkConfig, region: Region, by_path: bool) -> Client {
    let config = Builder::from(shared)
        .region(region)
        .force_path_style(by_path)
        .disable_s3_express_session_auth(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // What is read is held against its own digest.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

/// The region that a bucket is in: AWS says so in the header of every answer, refusals included.
async fn home(client: &Client, bucket: &str) -> Result<Option<String>, Trouble> {
    match client.head_bucket().bucket(bucket).send().await {
        Ok(answer) => Ok(answer.bucket_region.filter(|region| !region.is_empty())),
        Err(error) => {
            let said = error.raw_response().and_then(|raw| raw.headers().get("x-amz-bucket-region"));
            match said {
                Some(region) if !region.is_empty() => Ok(Some(region.to_owned())),
                _ => Err(trouble(&error, "s3:ListBucket")),
            }
        }
    }
}
