//! What a collector is: a manifest, and one function that cannot fail.

use async_trait::async_trait;
use evidenced_model::Scope;

use crate::Out;

/// Reads kinds of resources of one service.
#[async_trait]
pub trait Collector: Send + Sync + 'static {
    /// What it reads and what it needs.
    fn manifest(&self) -> &'static Manifest;

    /// Reads one place: an account (region `global`) or one region of it, as [`Manifest::reach`] says; with
    /// [`Reach::Together`] all accounts of [`Out::together`]. Whatever could not be read is written to `out` as a gap or
    /// an unread field.
    async fn collect(&self, scope: &Scope, out: &mut Out);
}

/// What a collector reads and what it needs.
#[derive(Debug)]
pub struct Manifest {
    /// Its id, e.g. `aws.s3`.
    pub id: &'static str,
    /// One short sentence.
    pub title: &'static str,
    /// The kinds it writes.
    pub kinds: &'static [&'static str],
    /// How often it is started.
    pub reach: Reach,
    /// Every operation it calls.
    pub operations: &'static [&'static Operation],
}

/// How often a collector is started in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Once, with region `global`.
    Account,
    /// Once in each region.
    Region,
    /// Once for all accounts that share it (their sessions hold the same collector), each with region `global`: one
    /// question of the provider covers several accounts.
    Together,
}

/// One API operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name, e.g. `s3:GetBucketPolicy`; the part before the colon is the token bucket's service.
    pub call: &'static str,
    /// The permission it needs, which is often named otherwise, e.g. `s3:GetBucketAcl`.
    pub permission: &'static str,
    /// Error codes that the API reference documents as "there is none".
    pub absent: &'static [&'static str],
    /// How often it is called.
    pub per: Per,
}

/// How often an operation is called, for `plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Once for each start of the collector.
    Start,
    /// Once for each page of this many items.
    Page(u32),
    /// Once for each resource of a kind.
    Resource(&'static str),
    /// Only where something asks for it.
    Demand,
}

impl Operation {
    /// The service whose token bucket the call draws from.
    pub fn service(&self) -> &'static str {
        self.call.split(':').next().unwrap_or(self.call)
    }
}
