//! Single lines with their places, and the proof that a line is under the signature of its run.
//!
//! A proof goes up from the line: its hash and the audit path lead to the Merkle root of its chunk; the entry of the
//! chunk, and its audit path, to that of the group's tree; so up to the root tree, whose stored bytes have the SHA-256
//! that the signed statement names. Each object on the way is also named by its own SHA-256, so that whoever has the
//! objects needs no Merkle tree at all.

use evidenced_model::Digest;
use serde::Serialize;

use crate::SealError;
use crate::merkle::{Merkle, audit_path, root_by_path};
use crate::object::{Format, Shown, object_path};
use crate::read::{RunGroup, RunReader};
use crate::statement::subject;
use crate::tree::{Entry, Tree};
use crate::withheld::{Slot, lines_path, slots};

/// Which of the two trees of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Resources.
    Inventory,
    /// Findings.
    Findings,
}

impl Side {
    fn subject(self) -> &'static str {
        match self {
            Self::Inventory => subject::INVENTORY,
            Self::Findings => subject::FINDINGS,
        }
    }

    fn entry(self, group: &RunGroup) -> Option<&Entry> {
        match self {
            Self::Inventory => group.inventory.as_ref(),
            Self::Findings => group.findings.as_ref(),
        }
    }
}

/// The chunks of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunks {
    /// Their entries, in order.
    pub entries: Vec<Entry>,
    /// Lines that a pack withholds, because it withholds the whole group.
    pub withheld: u64,
}

/// The lines of a chunk with their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The file that holds them.
    pub file: String,
    /// Those that are shown.
    pub lines: Vec<PlacedLine>,
    /// Lines that a pack withholds.
    pub withheld: u64,
}

/// A line with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// The line, with its LF.
    pub bytes: Vec<u8>,
    /// Its place in its file, from 1.
    pub number: u64,
}

/// The proof that a line is under the signature of its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Which tree.
    pub side: Side,
    /// The line in its chunk.
    pub line: LineProof,
    /// The trees above it: the group's, the account's, and the root.
    pub trees: Vec<TreeProof>,
    /// The signed statement that names the root tree by the SHA-256 of its stored bytes.
    pub statement: String,
}

/// A line in its chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineProof {
    /// The file that holds the line.
    pub object: String,
    /// The SHA-256 of the chunk's stored bytes; of a chunk that a pack shows in part, of the whole chunk.
    pub sha256: Digest,
    /// The line's place, from 1.
    pub number: u64,
    /// Of so many lines.
    pub of: u64,
    /// SHA-256 of the line with its LF, as `sed -n NUMBERp | sha256sum` says.
    pub line_sha256: Digest,
    /// SHA-256 of a zero byte and the line without its LF.
    pub leaf: Digest,
    /// From the leaf to the root.
    pub path: Vec<Digest>,
    /// The Merkle root over the chunk's lines.
    pub root: Digest,
}

/// An entry in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeProof {
    /// The tree's object.
    pub object: String,
    /// The SHA-256 of its stored bytes.
    pub sha256: Digest,
    /// The entry that names what is below.
    pub entry: Entry,
    /// The entry's place, from 1.
    pub number: u64,
    /// Of so many.
    pub of: u64,
    /// From the entry's leaf to the root.
    pub path: Vec<Digest>,
    /// The Merkle root over the tree's entries.
    pub root: Digest,
}

impl RunReader<'_> {
    /// The chunks of a group.
    pub fn chunks(&self, side: Side, group: &RunGroup) -> Result<Chunks, SealError> {
        let Some(entry) = side.entry(group) else { return Ok(Chunks::default()) };
        match Tree::read(self.objects(), &entry.digest, &entry.name) {
            Err(SealError::Withheld { .. }) => Ok(Chunks { entries: Vec::new(), withheld: entry.count }),
            read => Ok(Chunks { entries: read?.entries, withheld: 0 }),
        }
    }

    /// The lines of a chunk with their places.
    pub fn placed(&self, chunk: &Entry) -> Result<Placed, SealError> {
        let (file, content) = self.content(chunk)?.unwrap_or_default();
        let (mut lines, mut number) = (Vec::new(), 0);
        for slot in slots(&content) {
            number += 1;
            if let Slot::Shown(line) = slot {
                lines.push(PlacedLine { bytes: line.to_vec(), number });
            }
        }
        let withheld = chunk.count.saturating_sub(lines.len() as u64);
        Ok(Placed { file, lines, withheld })
    }

    /// Proves the line at this place of a chunk.
    pub fn prove(&self, side: Side, group: &RunGroup, chunk: &Entry, number: u64) -> Result<Proof, SealError> {
        let Some((object, content)) = self.content(chunk)? else {
            let (file, referrer) = (object_path(&chunk.digest, Format::Lines), chunk.name.clone());
            return Err(SealError::Withheld { file, referrer });
        };
        let leaves: Vec<Digest> = slots(&content).map(|slot| slot.leaf()).collect();
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX);
        let Some(Slot::Shown(line)) = slots(&content).nth(index) else {
            return Err(SealError::wrong(object, format!("it shows no line {number}")));
        };
        let line = LineProof {
            object,
            sha256: chunk.digest,
            number,
            of: leaves.len() as u64,
            line_sha256: Digest::of(line),
            leaf: leaves[index],
            path: audit_path(&leaves, index),
            root: chunk.lines,
        };
        let group_entry =
            side.entry(group).ok_or_else(|| SealError::wrong(self.path(), "the group is not in it".to_owned()))?;
        let root_digest = self.subject(side.subject())?;
        let root = self.root(side.subject())?;
        let missing = |name: &str| SealError::wrong(self.path(), format!("its trees have no entry {name:?}"));
        let account_entry = root.get(&group.account).ok_or_else(|| missing(&group.account))?.clone();
        let account = Tree::read(self.objects(), &account_entry.digest, &account_entry.name)?;
        let chunks = Tree::read(self.objects(), &group_entry.digest, &group_entry.name)?;
        let trees = vec![
            in_tree(&chunks, &group_entry.digest, &chunk.name).ok_or_else(|| missing(&chunk.name))?,
            in_tree(&account, &account_entry.digest, &group_entry.name).ok_or_else(|| missing(&group_entry.name))?,
            in_tree(&root, &root_digest, &group.account).ok_or_else(|| missing(&group.account))?,
        ];
        Ok(Proof { side, line, trees, statement: self.path().to_owned() })
    }

    /// What is shown of a chunk, and the file that holds it; `None` if it is withheld as a whole.
    fn content(&self, chunk: &Entry) -> Result<Option<(String, Vec<u8>)>, SealError> {
        Ok(match self.objects().chunk(chunk, &chunk.name)? {
            Shown::Whole(loaded) => Some((object_path(&chunk.digest, Format::Lines), loaded.content)),
            Shown::Partly(lines) => Some((lines_path(&chunk.digest), lines)),
            Shown::Nothing => None,
        })
    }
}

fn in_tree(tree: &Tree, digest: &Digest, name: &str) -> Option<TreeProof> {
    let index = tree.entries.iter().position(|entry| entry.name == name)?;
    let leaves: Vec<Digest> = tree.entries.iter().map(leaf).collect();
    Some(TreeProof {
        object: object_path(digest, Format::Json),
        sha256: *digest,
        entry: tree.entries[index].clone(),
        number: index as u64 + 1,
        of: leaves.len() as u64,
        path: audit_path(&leaves, index),
        root: tree.to_bytes().lines,
    })
}

/// The leaf hash of an entry: of its canonical bytes.
fn leaf(entry: &Entry) -> Digest {
    let mut bytes = Vec::new();
    entry.write(&mut bytes);
    Merkle::leaf(&bytes)
}

impl Proof {
    /// Whether this line is under a statement that names this digest as that of the root tree. Nothing is believed of
    /// the proof: each step is made again.
    pub fn holds(&self, line: &[u8], root_tree: &Digest) -> bool {
        let leaf = Merkle::leaf(line.strip_suffix(b"\n").unwrap_or(line));
        let steps = |leaf: Digest, number: u64, of: u64, path: &[Digest]| {
            number.checked_sub(1).and_then(|index| root_by_path(leaf, index, of, path))
        };
        let mut below = steps(leaf, self.line.number, self.line.of, &self.line.path);
        let mut digest = self.line.sha256;
        for tree in &self.trees {
            // Each entry names what is below it twice: by its stored bytes, and by the root over its lines.
            if below != Some(tree.entry.lines) || digest != tree.entry.digest {
                return false;
            }
            below = steps(self::leaf(&tree.entry), tree.number, tree.of, &tree.path);
            if below != Some(tree.root) {
                return false;
            }
            digest = tree.sha256;
        }
        self.trees.len() == 3 && digest == *root_tree
    }
}
