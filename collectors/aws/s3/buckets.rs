//! The account's buckets, listed once a run for everybody who asks, and where each of them is.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::types::Bucket;
use aws_smithy_types::DateTime;
use evidenced_model::{Refusal, Region};
use futures::StreamExt as _;
use tokio::sync::OnceCell;

use super::CONCURRENT;
use super::operations::{GET_BUCKET_LOCATION, HEAD_BUCKET, LIST_BUCKETS};
use crate::Session;
use crate::client::region;

/// Buckets asked for in one page: the most that S3 gives. Asking for a page also makes S3 name the regions.
const PAGE: i32 = 1000;

/// The buckets of one account, read at most once.
pub struct Buckets {
    session: Arc<Session>,
    listing: OnceCell<Listing>,
}

/// What the listing told.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// By name.
    pub(crate) buckets: BTreeMap<String, Listed>,
    /// Why the listing was refused or broke off.
    pub(crate) refusal: Option<Refusal>,
}

/// One bucket as listed.
#[derive(Debug)]
pub(crate) struct Listed {
    /// When it was made.
    pub(crate) created: Option<DateTime>,
    /// Where it is.
    pub(crate) region: Result<Region, Refusal>,
}

/// Whose a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This account's.
    Own,
    /// There is no such bucket.
    Nobody,
    /// Another account's, in this region if that is told.
    Foreign(Option<Region>),
}

impl Buckets {
    /// The buckets of the session's account, not yet listed.
    pub fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session), listing: OnceCell::new() }
    }

    /// The listing, with the region of each bucket.
    pub(crate) async fn listing(&self) -> &Listing {
        self.listing.get_or_init(|| self.list()).await
    }

    /// Whose a bucket is. Only buckets that are not our own are asked about.
    pub(crate) async fn owner(&self, name: &str) -> Result<Owner, Refusal> {
        let listing = self.listing().await;
        if listing.buckets.contains_key(name) {
            return Ok(Owner::Own);
        }
        if let Some(refusal) = &listing.refusal {
            return Err(refusal.clone());
        }
        let client = self.session.s3(&self.session.home());
        // S3 refuses to speak about a foreign bucket, and still names its region.
        let attempt = || async {
            match client.head_bucket().bucket(name).send().await {
                Ok(answer) => Ok(answer.bucket_region().map(str::to_owned)),
                Err(error) => {
                    let told = error.raw_response().and_then(|raw| raw.headers().get("x-amz-bucket-region"));
                    told.map(str::to_owned).map(Some).ok_or(error)
                }
            }
        };
        let scope = self.session.scope(&self.session.home());
        match self.session.call_optional(&scope, &HEAD_BUCKET, attempt).await {
            Ok(Some(told)) => Ok(Owner::Foreign(told.as_deref().map(region))),
            Ok(None) => Ok(Owner::Nobody),
            // Refused, and it is not ours: it is somebody else's.
            Err(refusal) if refusal.cause == evidenced_model::Cause::Denied => Ok(Owner::Foreign(None)),
            Err(refusal) => Err(refusal),
        }
    }

    async fn list(&self) -> Listing {
        let home = self.session.home();
        let client = self.session.s3(&home);
        let scope = self.session.scope(&home.global());
        let (mut found, mut refusal, mut token) = (Vec::new(), None, None);
        loop {
            let attempt =
                || client.list_buckets().max_buckets(PAGE).set_continuation_token(token.clone()).send();
            match self.session.call(&scope, &LIST_BUCKETS, attempt).await {
                Ok(page) => {
                    found.extend(page.buckets.unwrap_or_default());
                    token = page.continuation_token;
                }
                Err(why) => {
                    refusal = Some(why);
                    break;
                }
            }
            if token.is_none() {
                break;
            }
        }
        let located = futures::stream::iter(found).map(|bucket| self.locate(&client, bucket)).buffer_unordered(CONCURRENT);
        Listing { buckets: located.filter_map(std::future::ready).collect().await, refusal }
    }

    /// Asks where a bucket is, if the listing did not say.
    async fn locate(&self, client: &aws_sdk_s3::Client, bucket: Bucket) -> Option<(String, Listed)> {
        let name = bucket.name?;
        let place = match bucket.bucket_region {
            Some(told) => Ok(region(&told)),
            None => {
                let scope = self.session.scope(&self.session.home());
                let attempt = || client.get_bucket_location().bucket(&name).send();
                let answer = self.session.call(&scope, &GET_BUCKET_LOCATION, attempt).await;
                answer.map(|answer| match answer.location_constraint().map(|constraint| constraint.as_str()) {
                    // The two names that are older than the regions.
                    None | Some("") => region("us-east-1"),
                    Some("EU") => region("eu-west-1"),
                    Some(name) => region(name),
                })
            }
        };
        Some((name, Listed { created: bucket.creation_date, region: place }))
    }
}
