//! One of the two trees of a run while it grows: root, account, group, chunks.

use evidenced_model::Digest;

use crate::SealError;
use crate::chunk::Chunker;
use crate::merkle::Merkle;
use crate::object::{Format, ObjectWriter, Stored};
use crate::previous::Previous;
use crate::tree::{Entry, Tree};

/// The inventory or the findings of a run while they are written.
pub(crate) struct Side {
    old: Level,
    new: Level,
    old_root: Option<Stored>,
    chunker: Chunker,
}

/// The three trees on the way down to a chunk.
#[derive(Default)]
struct Level {
    root: Tree,
    account: Tree,
    group: Tree,
}

impl Side {
    pub(crate) fn new(previous: &Previous<'_>, subject: &str) -> Self {
        let mut old = Level::default();
        let old_root = previous.root(subject).map(|(stored, tree)| {
            old.root = tree;
            stored
        });
        Self { old, new: Level::default(), old_root, chunker: Chunker::default() }
    }

    pub(crate) fn begin_account(&mut self, previous: &Previous<'_>, account: &str) {
        self.old.account = child(previous, &self.old.root, account);
    }

    pub(crate) fn begin_group(&mut self, previous: &Previous<'_>, group: &str) {
        self.old.group = child(previous, &self.old.account, group);
    }

    pub(crate) fn line(
        &mut self,
        objects: &mut ObjectWriter<'_>,
        hash: &Digest,
        (id, check): (&str, &str),
        line: &[u8],
    ) -> Result<(), SealError> {
        let (old, new) = (&self.old.group, &mut self.new.group);
        self.chunker.push(hash, id, check, line, &mut |chunk| {
            new.entries.push(place_chunk(objects, old, &chunk)?);
            Ok(())
        })
    }

    pub(crate) fn end_group(&mut self, objects: &mut ObjectWriter<'_>, group: &str) -> Result<(), SealError> {
        let (old, new) = (&self.old.group, &mut self.new.group);
        self.chunker.finish(&mut |chunk| {
            new.entries.push(place_chunk(objects, old, &chunk)?);
            Ok(())
        })?;
        let tree = std::mem::take(&mut self.new.group);
        if !tree.entries.is_empty() {
            self.new.account.entries.push(place_tree(objects, &self.old.account, group, &tree)?);
        }
        self.old.group = Tree::default();
        Ok(())
    }

    pub(crate) fn end_account(&mut self, objects: &mut ObjectWriter<'_>, account: &str) -> Result<(), SealError> {
        let mut tree = std::mem::take(&mut self.new.account);
        if !tree.entries.is_empty() {
            sort(&mut tree)?;
            self.new.root.entries.push(place_tree(objects, &self.old.root, account, &tree)?);
        }
        self.old.account = Tree::default();
        Ok(())
    }

    pub(crate) fn end(&mut self, objects: &mut ObjectWriter<'_>) -> Result<Stored, SealError> {
        place_root(objects, self.old_root, &mut self.new.root)
    }
}

/// Stores a root, unless it is the one of the previous run.
pub(crate) fn place_root(
    objects: &mut ObjectWriter<'_>,
    old: Option<Stored>,
    tree: &mut Tree,
) -> Result<Stored, SealError> {
    sort(tree)?;
    let bytes = tree.to_bytes();
    if let Some(old) = old.filter(|old| old.content == bytes.content) {
        objects.reuse(&old.digest, Format::Json);
        return Ok(old);
    }
    objects.put(&bytes.json, bytes.content, Format::Json)
}

/// Stores a child, unless its content stands at the same place of the old tree.
pub(crate) fn place(
    objects: &mut ObjectWriter<'_>,
    old: &Tree,
    name: String,
    (content, digest, format): (&[u8], Digest, Format),
    facts: impl FnOnce() -> (Digest, u64, u64),
) -> Result<Entry, SealError> {
    if let Some(entry) = old.get(&name).filter(|entry| entry.content == digest) {
        objects.reuse(&entry.digest, format);
        return Ok(entry.clone());
    }
    let stored = objects.put(content, digest, format)?;
    let (lines, count, bytes) = facts();
    Ok(Entry { bytes, content: digest, count, digest: stored.digest, lines, name })
}

fn place_chunk(
    objects: &mut ObjectWriter<'_>,
    old: &Tree,
    chunk: &crate::chunk::Chunk<'_>,
) -> Result<Entry, SealError> {
    let content = (chunk.lines, Digest::of(chunk.lines), Format::Lines);
    place(objects, old, chunk.prefix.to_string(), content, || {
        (Merkle::of_lines(chunk.lines), chunk.count, chunk.lines.len() as u64)
    })
}

fn place_tree(objects: &mut ObjectWriter<'_>, old: &Tree, name: &str, tree: &Tree) -> Result<Entry, SealError> {
    let bytes = tree.to_bytes();
    let content = (bytes.json.as_slice(), bytes.content, Format::Json);
    place(objects, old, name.to_owned(), content, || (bytes.lines, bytes.count, bytes.bytes))
}

fn child(previous: &Previous<'_>, tree: &Tree, name: &str) -> Tree {
    tree.get(name).and_then(|entry| previous.tree(&entry.digest)).unwrap_or_default()
}

fn sort(tree: &mut Tree) -> Result<(), SealError> {
    tree.entries.sort_by(|a, b| a.name.cmp(&b.name));
    match tree.entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(SealError::order(format!("{:?} was written twice", pair[0].name))),
        None => Ok(()),
    }
}
