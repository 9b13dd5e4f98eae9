//! Trees: objects that name other objects, so that two runs are compared by comparing digests.

use evidenced_model::{Digest, canon};
use serde::{Deserialize, Serialize};

use crate::SealError;
use crate::merkle::Merkle;
use crate::object::{Format, MAX_CONTENT, ObjectReader, object_path};

/// One child of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The bytes of the lines below it, uncompressed; for coverage, of the account's document.
    pub bytes: u64,
    /// SHA-256 of its content, uncompressed.
    pub content: Digest,
    /// How many lines are below it; for coverage, how many cells.
    pub count: u64,
    /// SHA-256 of its stored bytes.
    pub digest: Digest,
    /// The Merkle root over its lines; for a tree, over the canonical bytes of its entries; for
    /// coverage, over those of its cells.
    pub lines: Digest,
    /// Its name among its siblings.
    pub name: String,
}

impl Entry {
    /// Appends the canonical bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "{{\"bytes\":{},\"content\":\"{}\",\"count\":{},\"digest\":\"{}\",\"lines\":\"{}\",\"name\":",
            self.bytes, self.content, self.count, self.digest, self.lines
        );
        canon::write_str(&self.name, out);
        out.push(b'}');
    }
}

/// A tree: entries sorted by name, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The children.
    pub entries: Vec<Entry>,
}

/// The canonical form of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeBytes {
    /// The document.
    pub json: Vec<u8>,
    /// SHA-256 of it.
    pub content: Digest,
    /// The Merkle root over the entries.
    pub lines: Digest,
    /// The lines below.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tree {
    /// Reads a tree and checks its order.
    pub fn read(objects: ObjectReader<'_>, digest: &Digest, referrer: &str) -> Result<Self, SealError> {
        let content = objects.content(digest, Format::Json, MAX_CONTENT, referrer)?;
        Self::parse(&content, &object_path(digest, Format::Json))
    }

    /// Parses a tree's content; `file` is for messages.
    pub fn parse(content: &[u8], file: &str) -> Result<Self, SealError> {
        let tree: Self = serde_json::from_slice(content)
            .map_err(|error| SealError::wrong(file, format!("it is not a tree: {error}")))?;
        match tree.entries.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            Some(pair) => Err(SealError::wrong(file, format!("its entry {:?} is not in order", pair[1].name))),
            None => Ok(tree),
        }
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        self.entries.get(at)
    }

    /// The canonical form, with all digests.
    pub fn to_bytes(&self) -> TreeBytes {
        let mut json = b"{\"entries\":[".to_vec();
        let mut merkle = Merkle::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            let start = json.len();
            entry.write(&mut json);
            merkle.push(&json[start..]);
        }
        json.extend_from_slice(b"]}");
        TreeBytes {
            content: Digest::of(&json),
            lines: merkle.root(),
            count: self.entries.iter().map(|entry| entry.count).sum(),
            bytes: self.entries.iter().map(|entry| entry.bytes).sum(),
            json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_canonical() {
        let entry = Entry {
            bytes: 7,
            content: Digest::of(b"c"),
            count: 1,
            digest: Digest::of(b"d"),
            lines: Digest::of(b"l"),
            name: "a \"name\"\n".to_owned(),
        };
        let mut fast = Vec::new();
        entry.write(&mut fast);
        assert_eq!(fast, canon::to_vec(&entry));
        let tree = Tree { entries: vec![entry] };
        assert_eq!(tree.to_bytes().json, canon::to_vec(&tree));
    }
}
