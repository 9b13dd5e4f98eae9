//! S3: the account's own block of public access, and every bucket, asked in its own region.

mod access_points;
mod bucket;
mod buckets;
mod operations;
mod shapes;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use evidenced_kit::{Collector, Manifest, Out, Reach};
use evidenced_model::{Refusal, Region, Resource, Scope};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Mutex;

pub(crate) use buckets::{Buckets, Owner};
pub(crate) use operations::{HEAD_BUCKET, LIST_BUCKETS};
pub(crate) use wire::Wire;

use self::bucket::{Read, read};
use self::buckets::Regions;
use self::operations::GET_ACCOUNT_BLOCK;
use crate::Session;
use crate::values::{kind, malformed};

pub(crate) const BUCKET: &str = "aws.s3.bucket";
const ACCOUNT: &str = "aws.s3.account";

/// Buckets read at once. Each asks one question after the other.
const CONCURRENT: usize = 32;

/// What the S3 collector reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.s3",
    title: "S3 buckets and the account's block of public access",
    kinds: &[ACCOUNT, BUCKET],
    reach: Reach::Account,
    operations: operations::ALL,
};

/// Reads the buckets of one account.
pub(crate) struct S3 {
    session: Arc<Session>,
    buckets: Arc<Buckets>,
}

impl S3 {
    /// A collector over a listing that others may share.
    pub(crate) fn new(session: &Arc<Session>, buckets: &Arc<Buckets>) -> Self {
        Self { session: Arc::clone(session), buckets: Arc::clone(buckets) }
    }

    async fn account(&self, scope: &Scope, out: &mut Out) {
        let account = self.session.account().as_str();
        let mut resource = Resource::new(kind(ACCOUNT), account, scope.global());
        resource.read("account_id", account);
        let client = self.session.s3control(&self.session.home());
        let attempt = || client.get_public_access_block().account_id(account).send();
        let answer = self.session.call_optional(&resource.scope, &GET_ACCOUNT_BLOCK, attempt).await;
        let block = match answer {
            Ok(Some(answer)) => {
                answer.public_access_block_configuration.map(Some).ok_or_else(|| malformed(&GET_ACCOUNT_BLOCK))
            }
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        let parts = block.map(|block| {
            let configured = block.is_some();
            let parts = block.map_or([None; 4], |block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
            });
            (configured, parts)
        });
        shapes::block(&mut resource, "configured", parts);
        out.resource(resource).await;
        out.complete(ACCOUNT).await;
    }

    async fn buckets(&self, out: &mut Out) {
        let listing = self.buckets.listing().await;
        let regions = self.buckets.regions().await;
        let context = Context { session: &self.session, buckets: &self.buckets, regions, aliases: Mutex::default() };
        let (mut waiting, mut reading) = (listing.buckets.iter(), FuturesUnordered::new());
        loop {
            while reading.len() < CONCURRENT
                && let Some((name, bucket)) = waiting.next()
            {
                reading.push(read(&context, name, bucket.creation_date()));
            }
            match reading.next().await {
                Some(Read::There(resource)) => out.resource(*resource).await,
                Some(Read::Gone(region)) => out.vanished(BUCKET, &region).await,
                None => break,
            }
        }
        match &listing.refusal {
            Some(refusal) => out.gap_everywhere(BUCKET, refusal.clone()).await,
            None => out.complete(BUCKET).await,
        }
    }
}

#[async_trait]
impl Collector for S3 {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        self.account(scope, out).await;
        self.buckets(out).await;
    }
}

/// What reading one bucket shares with reading the others.
struct Context<'a> {
    session: &'a Session,
    buckets: &'a Buckets,
    regions: &'a Regions,
    /// What aliases of keys stand for, by region and alias.
    aliases: Mutex<BTreeMap<(Region, String), Resolved>>,
}

/// The ARN of the key behind an alias, if it leads anywhere.
type Resolved = Result<Option<String>, Refusal>;
