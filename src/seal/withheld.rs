//! What a pack leaves out: the digests that stand in the place of withheld lines and objects.
//!
//! A pack is a part of a store that is given to somebody else. Where it withholds something, the signed digests above
//! stay, and something stands in its place:
//!
//! - for a chunk of which only some lines are withheld, [`lines_path`]: its lines in their order, where each withheld
//!   one is `{"withheld":"<leaf>"}`, the RFC 6962 leaf hash of the line. The Merkle root over all of them is the one
//!   in the chunk's tree, so that every shown line is proved;
//! - for an object that is withheld as a whole (a chunk, a tree with all below it, a document), [`whole_path`]: a
//!   [`Whole`] that says why. What refers to it names its SHA-256 all the same.
//!
//! Only an archive that says that it is a pack ([`Declaration`]) may leave anything out. A digest hides what it
//! stands for only as far as that cannot be guessed: who can list everything that a line might be can find it out.

use std::io::Read as _;

use evidenced_model::{Archive, Digest, LogHead};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SealError;
use crate::merkle::Merkle;
use crate::tree::Entry;

/// Where a pack says what it is, beside `v1/`. It is signed by nobody.
pub const DECLARATION: &str = "pack.json";
/// The value of [`Declaration::format`].
pub const FORMAT: &str = "evidenced-pack/1";
/// The bytes of what stands for a withheld line, LF included.
const LINE: u64 = 80;
const LARGEST_DECLARATION: u64 = 1 << 20;
const LARGEST_WHOLE: u64 = 4096;

/// Where the lines of a chunk stand of which some are withheld; `digest` is that of the chunk.
pub fn lines_path(digest: &Digest) -> String {
    path(digest, "jsonl.zst")
}

/// Where it stands that an object is withheld as a whole.
pub fn whole_path(digest: &Digest) -> String {
    path(digest, "json")
}

fn path(digest: &Digest, extension: &str) -> String {
    let hex = digest.to_string();
    format!("v1/withheld/{}/{hex}.{extension}", &hex[..2])
}

/// A line of a chunk of which some lines are withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'l> {
    /// The line, with its LF.
    Shown(&'l [u8]),
    /// What stands in its place: its leaf hash.
    Withheld(Digest),
}

const OPEN: &[u8] = b"{\"withheld\":\"";
const CLOSE: &[u8] = b"\"}\n";

impl<'l> Slot<'l> {
    /// Reads a line with its LF. No line of evidence looks like what stands for a withheld one.
    pub fn parse(line: &'l [u8]) -> Self {
        let hex = line.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE));
        let leaf = hex.and_then(|hex| std::str::from_utf8(hex).ok()?.parse().ok());
        leaf.map_or(Self::Shown(line), Self::Withheld)
    }

    /// Appends it as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Shown(line) => out.extend_from_slice(line),
            Self::Withheld(leaf) => {
                out.extend_from_slice(OPEN);
                out.extend_from_slice(&leaf.hex());
                out.extend_from_slice(CLOSE);
            }
        }
    }

    /// Its leaf hash.
    pub fn leaf(&self) -> Digest {
        match self {
            Self::Shown(line) => Merkle::leaf(line.strip_suffix(b"\n").unwrap_or(line)),
            Self::Withheld(leaf) => *leaf,
        }
    }
}

/// The lines of a chunk, one after another.
pub fn slots(lines: &[u8]) -> impl Iterator<Item = Slot<'_>> {
    lines.split_inclusive(|byte| *byte == b'\n').map(Slot::parse)
}

/// Why something is withheld, in one word: never what was asked for, which may say more than the pack does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its account.
    Account,
    /// It serves none of the controls that the pack is about.
    Control,
    /// It is a document that was asked to be withheld.
    Document,
    /// Its kind.
    Kind,
    /// It names something that is withheld.
    Names,
    /// Its region.
    Region,
    /// It is larger than what a pack takes: 256 MiB.
    Size,
    /// One of its tags.
    Tag,
}

/// Stands in the place of an object that is withheld as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Why.
    pub reason: Reason,
}

/// What a pack says of itself. Nobody signed it: it can leave out, and it cannot make anything true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Always [`FORMAT`].
    pub format: String,
    /// The runs in it began at this moment or later; `null`: from the beginning.
    pub from: Option<Timestamp>,
    /// The head of each agent's log, as the pack holds it.
    pub heads: Vec<Head>,
    /// The SHA-256 of the public keys that the exporter verified it with.
    pub keys: Vec<Digest>,
    /// The runs in it began before this moment; `null`: to the end.
    pub until: Option<Timestamp>,
    /// Whether anything of these runs is withheld.
    pub withheld: bool,
}

/// The head of an agent's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The agent.
    pub agent: evidenced_model::AgentId,
    /// Its newest entry.
    pub head: LogHead,
}

impl Declaration {
    /// What an archive says; `None` if it is no pack.
    pub fn read(archive: &dyn Archive) -> Result<Option<Self>, SealError> {
        archive.read(DECLARATION, LARGEST_DECLARATION)?.map(|bytes| Self::parse(&bytes)).transpose()
    }

    /// Parses what a pack says.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let wrong = |what: String| SealError::wrong(DECLARATION, what);
        let parsed: Self = serde_json::from_slice(bytes)
            .map_err(|error| wrong(format!("it is not what a pack says of itself: {error}")))?;
        if parsed.format != FORMAT {
            return Err(wrong(format!("its format is {:?}; this program knows {FORMAT:?}", parsed.format)));
        }
        Ok(parsed)
    }

    /// Whether a run that began at this moment, in Unix milliseconds, belongs into the pack.
    pub fn covers(&self, began: u64) -> bool {
        let millis = |moment: Timestamp| u64::try_from(moment.as_millisecond()).unwrap_or_default();
        self.from.is_none_or(|from| began >= millis(from)) && self.until.is_none_or(|until| began < millis(until))
    }
}

/// Whether, and why, an object is withheld as a whole from a pack.
pub(crate) fn whole(archive: &dyn Archive, digest: &Digest) -> Result<Option<Whole>, SealError> {
    let file = whole_path(digest);
    let Some(bytes) = archive.read(&file, LARGEST_WHOLE)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|error| SealError::wrong(file, format!("it does not say why it is withheld: {error}")))
}

/// The lines of a chunk of which some are withheld, if they are those that its tree has a root over.
pub(crate) fn lines(archive: &dyn Archive, chunk: &Entry) -> Result<Option<Vec<u8>>, SealError> {
    let file = lines_path(&chunk.digest);
    let Some(stored) = archive.read(&file, crate::object::MAX_STORED)? else { return Ok(None) };
    let wrong = |what: String| SealError::wrong(&file, what);
    // What stands for a line can be longer than the line.
    let most = chunk.bytes.saturating_add(chunk.count.saturating_mul(LINE)).min(crate::object::MAX_CONTENT);
    let mut content = Vec::new();
    zstd::stream::read::Decoder::with_buffer(stored.as_slice())
        .and_then(|decoder| decoder.take(most.saturating_add(1)).read_to_end(&mut content))
        .map_err(|error| wrong(format!("it is not zstd: {error}")))?;
    if content.len() as u64 > most {
        return Err(wrong(format!("its content is longer than the {most} bytes that its tree allows")));
    }
    check(&content, chunk).map_err(wrong)?;
    Ok(Some(content))
}

/// Whether these are the lines of this chunk, some of them by their leaf hash.
pub fn check(content: &[u8], chunk: &Entry) -> Result<(), String> {
    let (mut merkle, mut shown, mut count) = (Merkle::new(), 0, 0);
    for slot in slots(content) {
        count += 1;
        merkle.push_leaf(slot.leaf());
        if let Slot::Shown(line) = slot {
            if !line.ends_with(b"\n") {
                return Err(format!("line {count} does not end in LF"));
            }
            shown += line.len() as u64;
        }
    }
    // A node of the tree passed off as a leaf would change the number of leaves.
    if count != chunk.count {
        return Err(format!("it has {count} lines, shown and withheld; its tree says {}", chunk.count));
    }
    if merkle.root() != chunk.lines {
        let what = "the Merkle root over its lines, shown and withheld, is not the one in its tree";
        return Err(format!("{what}: a line or a leaf hash was changed"));
    }
    if shown > chunk.bytes {
        return Err(format!("it shows {shown} bytes of lines; its tree says {} in all", chunk.bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(lines: &[u8]) -> Entry {
        Entry {
            bytes: lines.len() as u64,
            content: Digest::of(lines),
            count: lines.split_inclusive(|byte| *byte == b'\n').count() as u64,
            digest: Digest::of(b"stored"),
            lines: Merkle::of_lines(lines),
            name: "b".to_owned(),
        }
    }

    /// The lines, of which those whose bit is set are withheld.
    fn withhold(lines: &[u8], withheld: &[bool]) -> Vec<u8> {
        let mut out = Vec::new();
        for (slot, withheld) in slots(lines).zip(withheld) {
            if *withheld { Slot::Withheld(slot.leaf()) } else { slot }.write(&mut out);
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_subset_verifies_and_no_change_does(
            lines in prop::collection::vec(("[a-z]{0,40}", any::<bool>()), 1..60),
            at in any::<prop::sample::Index>(),
            change in 1_u8..=255,
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|(line, _)| format!("{{\"id\":\"{line}\"}}\n").into_bytes()).collect();
            let withheld: Vec<bool> = lines.iter().map(|(_, withheld)| *withheld).collect();
            let chunk = chunk(&text);
            let shown = withhold(&text, &withheld);
            prop_assert_eq!(check(&shown, &chunk), Ok(()));
            // One byte of a shown line or of a leaf hash is changed.
            let mut changed = shown.clone();
            changed[at.index(shown.len())] ^= change;
            prop_assert!(check(&changed, &chunk).is_err(), "{:?}", String::from_utf8_lossy(&changed));
            // A line or leaf is removed, doubled, or takes another's place.
            let slots: Vec<Slot<'_>> = slots(&shown).collect();
            let mut bent = slots.clone();
            let moved = bent.remove(at.index(bent.len()));
            prop_assert!(check(&join(&bent), &chunk).is_err());
            let mut bent = slots.clone();
            bent.push(moved);
            prop_assert!(check(&join(&bent), &chunk).is_err());
            let mut bent = slots.clone();
            bent.reverse();
            if bent.iter().map(Slot::leaf).ne(slots.iter().map(Slot::leaf)) {
                prop_assert!(check(&join(&bent), &chunk).is_err());
            }
        }
    }

    fn join(slots: &[Slot<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for slot in slots {
            slot.write(&mut out);
        }
        out
    }

    #[test]
    fn a_node_is_no_leaf() {
        let lines = b"{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n";
        let chunk = chunk(lines);
        let leaves: Vec<Digest> = slots(lines).map(|slot| slot.leaf()).collect();
        let node = |left: &Digest, right: &Digest| Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()]);
        let mut two = Vec::new();
        Slot::Withheld(node(&leaves[0], &leaves[1])).write(&mut two);
        Slot::Withheld(node(&leaves[2], &leaves[3])).write(&mut two);
        assert!(check(&two, &chunk).unwrap_err().contains("2 lines"));
    }

    #[test]
    fn only_the_exact_form_stands_for_a_line() {
        let leaf = Digest::of(b"x");
        let mut line = Vec::new();
        Slot::Withheld(leaf).write(&mut line);
        assert_eq!(line.len() as u64, LINE);
        assert_eq!(Slot::parse(&line), Slot::Withheld(leaf));
        let upper = String::from_utf8(line.clone()).unwrap().to_uppercase();
        for other in [upper.as_bytes(), &line[..79], b"{\"withheld\":\"00\"}\n", b"\n", b""] {
            assert_eq!(Slot::parse(other), Slot::Shown(other));
        }
    }

    #[test]
    fn a_declaration_says_which_runs_it_is_about() {
        let text = r#"{"format":"evidenced-pack/1","from":"2026-01-01T00:00:00Z","heads":[],"keys":[],"until":null,"withheld":false}"#;
        let pack = Declaration::parse(text.as_bytes()).unwrap();
        assert!(pack.covers(1_767_225_600_000) && !pack.covers(1_767_225_599_999));
        for (from, to) in [("pack/1", "pack/2"), ("\"keys\"", "\"key\""), ("null", "\"soon\"")] {
            let error = Declaration::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("pack.json: "), "{error}");
        }
    }
}
