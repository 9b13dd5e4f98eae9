//! The account's buckets, listed once a run for everybody who asks, and where each of them is.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::types::Bucket;
use evidenced_model::{Refusal, Region};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use roxmltree::Document;
use tokio::sync::OnceCell;

use super::CONCURRENT;
use super::operations::{GET_BUCKET_LOCATION, HEAD_BUCKET, LIST_BUCKETS};
use super::wire::malformed as garbled;
use crate::Session;
use crate::client::region;
use crate::shape::place;
use crate::values::{malformed, pages};

/// Buckets asked for in one page: the most that S3 gives. Asking for a page also makes S3 name the regions.
const PAGE: i32 = 1000;

/// The buckets of one account, read at most once.
pub(crate) struct Buckets {
    session: Arc<Session>,
    listing: OnceCell<Listing>,
    regions: OnceCell<Regions>,
}

/// Where each bucket is, or why that could not be told.
pub(crate) type Regions = BTreeMap<String, Result<Region, Refusal>>;

/// What the listing told.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// By name.
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Why the listing was refused or broke off.
    pub(crate) refusal: Option<Refusal>,
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
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session), listing: OnceCell::new(), regions: OnceCell::new() }
    }

    /// The listing.
    pub(crate) async fn listing(&self) -> &Listing {
        self.listing.get_or_init(|| self.list()).await
    }

    /// The region of each bucket. S3 is asked only where the listing does not say.
    pub(crate) async fn regions(&self) -> &Regions {
        self.regions.get_or_init(|| self.locate_all()).await
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
        let scope = place(&self.session, self.session.home());
        match self.session.call_optional(&scope, &HEAD_BUCKET, attempt).await {
            Ok(Some(told)) => Ok(Owner::Foreign(told.as_deref().map(region))),
            Ok(None) => Ok(Owner::Nobody),
            Err(refusal) => Err(refusal),
        }
    }

    async fn list(&self) -> Listing {
        let client = &self.session.s3(&self.session.home());
        let scope = &place(&self.session, Region::global());
        let (found, refusal) = pages(&LIST_BUCKETS, |token| async move {
            let ask = || client.list_buckets().max_buckets(PAGE).set_continuation_token(token.clone()).send();
            let page = self.session.call(scope, &LIST_BUCKETS, ask).await?;
            Ok((page.buckets, page.continuation_token))
        })
        .await;
        Listing {
            buckets: found.into_iter().filter_map(|bucket| Some((bucket.name.clone()?, bucket))).collect(),
            refusal,
        }
    }

    async fn locate_all(&self) -> Regions {
        let buckets = &self.listing().await.buckets;
        let (mut waiting, mut asking, mut located) = (buckets.iter(), FuturesUnordered::new(), Regions::new());
        loop {
            while asking.len() < CONCURRENT
                && let Some((name, bucket)) = waiting.next()
            {
                asking.push(self.locate(name, bucket));
            }
            let Some((name, region)) = asking.next().await else { return located };
            located.insert(name, region);
        }
    }

    async fn locate(&self, name: &str, bucket: &Bucket) -> (String, Result<Region, Refusal>) {
        if let Some(told) = bucket.bucket_region() {
            return (name.to_owned(), Ok(region(told)));
        }
        (name.to_owned(), self.ask_location(name).await)
    }

    async fn ask_location(&self, name: &str) -> Result<Region, Refusal> {
        let home = self.session.home();
        let (wire, scope) = (self.session.wire(), place(&self.session, home.clone()));
        let host = wire.host(name, &home).await;
        let attempt = || async {
            let body = wire.get(host.as_ref().map_err(Clone::clone)?, "location", self.session.now()).await?;
            let text = std::str::from_utf8(&body).map_err(|_| garbled(true))?;
            let document = Document::parse(text).map_err(|_| garbled(true))?;
            let root = document.root_element();
            if root.tag_name().name() != "LocationConstraint" {
                return Err(garbled(true));
            }
            Ok(match root.text().unwrap_or_default() {
                // The two names that are older than the regions.
                "" => region("us-east-1"),
                "EU" => region("eu-west-1"),
                name => region(name),
            })
        };
        let answer = self.session.ask(&scope, &GET_BUCKET_LOCATION, attempt).await?;
        answer.ok_or_else(|| malformed(&GET_BUCKET_LOCATION))
    }
}
