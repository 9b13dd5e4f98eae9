//! What somebody could do to a store: with the disk alone, with another key, or with the agent's own key.

use std::collections::BTreeMap;

use evidenced_model::{Digest, Memory};
use evidenced_seal::log::{LogStatement, entry_path};
use evidenced_seal::merkle::Merkle;
use evidenced_seal::object::{Format, ObjectReader, ObjectWriter};
use evidenced_seal::statement::{RunStatement, Subject};
use evidenced_seal::tree::{Entry, Tree};
use evidenced_seal::{PemSigner, dsse, select_run};

use crate::support::World;

/// A copy of a store that somebody changes.
pub(crate) struct Forger<'w> {
    pub(crate) world: &'w World,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl<'w> Forger<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, files: world.store.files() }
    }

    pub(crate) fn store(&self) -> Memory {
        Memory::of(self.files.clone())
    }

    pub(crate) fn log_path(&self, index: u64) -> String {
        entry_path(&self.world.agent, index)
    }

    /// Where the latest run is.
    pub(crate) fn run_path(&self) -> String {
        select_run(&self.store(), &self.world.agent, "latest", None).unwrap().path
    }

    pub(crate) fn run(&self) -> RunStatement {
        let opened = dsse::parse(&self.files[&self.run_path()]).unwrap();
        RunStatement::parse(&opened.payload).unwrap()
    }

    /// Changes a file and says which.
    pub(crate) fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
        change(self.files.get_mut(path).unwrap());
        path.to_owned()
    }

    pub(crate) fn object(&mut self, content: &[u8], format: Format) -> Digest {
        let mut store = self.store();
        let stored = ObjectWriter::new(&mut store).unwrap().put(content, Digest::of(content), format).unwrap();
        self.files = store.files();
        stored.digest
    }

    pub(crate) fn content(&self, digest: &Digest, format: Format) -> Vec<u8> {
        ObjectReader::new(&self.store()).content(digest, format, 1 << 30, "the test").unwrap()
    }

    pub(crate) fn tree(&self, digest: &Digest) -> Tree {
        Tree::read(ObjectReader::new(&self.store()), digest, "the test").unwrap()
    }

    /// The entry at the end of a way from a subject, e.g. `["aws:1", "eu/kind", "b"]`.
    pub(crate) fn entry(&self, subject: &str, way: &[&str]) -> Entry {
        let mut tree = self.tree(&self.run().digest_of(subject).unwrap());
        let (last, way) = way.split_last().unwrap();
        for name in way {
            tree = self.tree(&tree.get(name).unwrap().digest);
        }
        tree.get(last).unwrap().clone()
    }

    /// Changes the statement of the latest run and signs it, and its log entry, again.
    pub(crate) fn resign(&mut self, signer: &PemSigner, change: impl FnOnce(&mut RunStatement)) {
        let path = self.run_path();
        let mut statement = self.run();
        change(&mut statement);
        let envelope = dsse::sign(&statement.to_bytes(), signer).unwrap();
        let digest = Digest::of(&envelope);
        self.files.insert(path.clone(), envelope);
        let last = self.last_index();
        self.resign_entry(last, signer, |entry| entry.subject = vec![Subject::new(path, digest)]);
    }

    pub(crate) fn last_index(&self) -> u64 {
        (0..1000).rfind(|index| self.files.contains_key(&self.log_path(*index))).unwrap()
    }

    pub(crate) fn log_entry(&self, index: u64) -> LogStatement {
        let opened = dsse::parse(&self.files[&self.log_path(index)]).unwrap();
        LogStatement::parse(&opened.payload).unwrap()
    }

    pub(crate) fn resign_entry(&mut self, index: u64, signer: &PemSigner, change: impl FnOnce(&mut LogStatement)) {
        let mut statement = self.log_entry(index);
        change(&mut statement);
        let envelope = dsse::sign(&statement.to_bytes(), signer).unwrap();
        self.files.insert(self.log_path(index), envelope);
    }

    /// Writes the whole log again from these entries, each linked to the one before, as the key's owner could.
    pub(crate) fn rewrite_log(&mut self, signer: &PemSigner, entries: Vec<LogStatement>) {
        let old: Vec<String> = (0..=self.last_index()).map(|index| self.log_path(index)).collect();
        for path in old {
            self.files.remove(&path);
        }
        let mut previous = (Digest::ZERO, String::new());
        for (index, mut entry) in (0..).zip(entries) {
            if entry.subject[0].name.starts_with("v1/log/") {
                entry.subject = vec![Subject::new(previous.1, previous.0)];
            }
            if index == 0 {
                entry.subject = vec![Subject::new("public-key", evidenced_seal::Signer::public_key(signer).id())];
            }
            entry.predicate.index = index;
            entry.predicate.previous = previous.0;
            let envelope = dsse::sign(&entry.to_bytes(), signer).unwrap();
            let path = self.log_path(index);
            previous = (Digest::of(&envelope), path.clone());
            self.files.insert(path, envelope);
        }
    }

    /// Changes a tree of the latest run, carries the change up to the root with all digests right, and signs
    /// again with the agent's own key.
    pub(crate) fn plant(&mut self, subject: &str, way: &[&str], change: impl FnOnce(&mut Self, &mut Tree)) {
        let root = self.run().digest_of(subject).unwrap();
        let planted = self.plant_below(&root, way, change);
        let world = self.world;
        self.resign(&world.signer, |statement| replace(statement, subject, planted));
    }

    fn plant_below(&mut self, digest: &Digest, way: &[&str], change: impl FnOnce(&mut Self, &mut Tree)) -> Digest {
        let mut tree = self.tree(digest);
        if let Some((name, rest)) = way.split_first() {
            let at = tree.entries.iter().position(|entry| entry.name == *name).unwrap();
            let planted = self.plant_below(&tree.entries[at].digest.clone(), rest, change);
            let facts = self.tree(&planted).to_bytes();
            let entry = &mut tree.entries[at];
            (entry.digest, entry.content, entry.lines) = (planted, facts.content, facts.lines);
            (entry.count, entry.bytes) = (facts.count, facts.bytes);
        } else {
            change(self, &mut tree);
        }
        self.object(&tree.to_bytes().json, Format::Json)
    }

    /// Changes the lines of a chunk in the same way.
    pub(crate) fn plant_lines(&mut self, subject: &str, way: &[&str], change: impl FnOnce(String) -> String) {
        let (chunk, way) = way.split_last().unwrap();
        self.plant(subject, way, |forger, tree| {
            let at = tree.entries.iter().position(|entry| entry.name == *chunk).unwrap();
            let old = forger.content(&tree.entries[at].digest, Format::Lines);
            let new = change(String::from_utf8(old).unwrap());
            tree.entries[at] = forger.chunk(chunk, &new);
        });
    }

    /// Stores a chunk and gives the entry that names it.
    pub(crate) fn chunk(&mut self, name: &str, lines: &str) -> Entry {
        Entry {
            bytes: lines.len() as u64,
            content: Digest::of(lines.as_bytes()),
            count: lines.lines().count() as u64,
            digest: self.object(lines.as_bytes(), Format::Lines),
            lines: Merkle::of_lines(lines.as_bytes()),
            name: name.to_owned(),
        }
    }

    /// Changes a document in the same way.
    pub(crate) fn plant_document(&mut self, subject: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let digest = self.run().digest_of(subject).unwrap();
        let mut document = serde_json::from_slice(&self.content(&digest, Format::Json)).unwrap();
        change(&mut document);
        let planted = self.object(&evidenced_model::canon::to_vec(&document), Format::Json);
        let world = self.world;
        self.resign(&world.signer, |statement| replace(statement, subject, planted));
    }
}

fn replace(statement: &mut RunStatement, subject: &str, digest: Digest) {
    for there in &mut statement.subject {
        if there.name == subject {
            *there = Subject::new(subject, digest);
        }
    }
}
