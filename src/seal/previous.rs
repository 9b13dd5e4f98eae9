//! The previous run, as the writer sees it: what has not changed need not be written again.
//!
//! Whatever cannot be read of it counts as not there; then the object is simply written anew.

use std::collections::BTreeMap;

use evidenced_model::{Archive, Digest};

use crate::object::{Format, MAX_CONTENT, ObjectReader, Stored};
use crate::statement::RunStatement;
use crate::tree::Tree;

/// The subjects of the previous run, read when they are asked for.
#[derive(Clone, Default)]
pub struct Previous<'a> {
    objects: Option<ObjectReader<'a>>,
    subjects: BTreeMap<String, Digest>,
}

impl<'a> Previous<'a> {
    /// There is none: everything is written.
    pub fn none() -> Self {
        Self::default()
    }

    /// This run. The caller has checked its signature: what it names is referred to without being written again.
    pub fn of(archive: &'a dyn Archive, statement: &RunStatement) -> Self {
        Self { objects: Some(ObjectReader::new(archive)), subjects: statement.subjects() }
    }

    /// The tree that is this subject.
    pub(crate) fn root(&self, subject: &str) -> Option<(Stored, Tree)> {
        let stored = self.document(subject)?;
        Some((stored, self.tree(&stored.digest)?))
    }

    /// The tree of this digest.
    pub(crate) fn tree(&self, digest: &Digest) -> Option<Tree> {
        Tree::read(self.objects?, digest, "the previous run").ok()
    }

    /// What is stored for this subject.
    pub(crate) fn document(&self, subject: &str) -> Option<Stored> {
        let digest = *self.subjects.get(subject)?;
        let content = self.objects?.content(&digest, Format::Json, MAX_CONTENT, "the previous run").ok()?;
        Some(Stored { digest, content: Digest::of(&content) })
    }
}
