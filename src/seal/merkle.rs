//! Merkle roots as in RFC 6962, section 2.1, computed while lines stream past.
//!
//! A leaf is a line without its LF. The root lets a pack withhold single lines and still verify.

use evidenced_model::Digest;

/// The root over leaves that arrive one after another; remembers one digest for each bit of their number.
#[derive(Debug, Clone, Default)]
pub struct Merkle {
    /// Roots of perfect subtrees, largest first, with the number of leaves in each.
    subtrees: Vec<(u64, Digest)>,
}

impl Merkle {
    /// Over no leaf yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of a leaf.
    pub fn leaf(leaf: &[u8]) -> Digest {
        Digest::of_parts(&[&[0], leaf])
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        self.push_leaf(Self::leaf(leaf));
    }

    /// Adds a leaf of which only the hash is known.
    pub fn push_leaf(&mut self, leaf: Digest) {
        let mut size = 1;
        let mut root = leaf;
        while let Some((_, left)) = self.subtrees.pop_if(|(other, _)| *other == size) {
            root = node(&left, &root);
            size *= 2;
        }
        self.subtrees.push((size, root));
    }

    /// The root over all leaves so far; SHA-256 of nothing if there are none.
    pub fn root(&self) -> Digest {
        let mut rightwards = self.subtrees.iter().rev().map(|(_, root)| *root);
        let Some(last) = rightwards.next() else { return Digest::of(&[]) };
        rightwards.fold(last, |right, left| node(&left, &right))
    }

    /// The root over the lines of a file; what follows the last LF counts as a line.
    pub fn of_lines(bytes: &[u8]) -> Digest {
        let mut merkle = Self::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            merkle.push(line.strip_suffix(b"\n").unwrap_or(line));
        }
        merkle.root()
    }
}

/// The audit path of a leaf (RFC 6962, section 2.1.1): what has to be hashed with it to come to the root, from the
/// leaf on. Empty if there is no such leaf, or no other.
pub fn audit_path(leaves: &[Digest], index: usize) -> Vec<Digest> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, other) =
        if index < split { (audit_path(left, index), right) } else { (audit_path(right, index - split), left) };
    let mut merkle = Merkle::new();
    for leaf in other {
        merkle.push_leaf(*leaf);
    }
    path.push(merkle.root());
    path
}

/// The root that an audit path leads to from the leaf at this index of so many (RFC 9162, section 2.1.3.2); `None` if
/// the path is too long or too short, or there is no such leaf.
pub fn root_by_path(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    let (mut at, mut last) = (index, size.checked_sub(1)?);
    if at > last {
        return None;
    }
    let mut root = leaf;
    for other in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(other, &root);
            // A right edge that has no sibling goes up by itself.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, other);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Straight from the RFC: split at the largest power of two below the number of leaves.
    fn naive(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => Digest::of(&[]),
            [leaf] => Digest::of_parts(&[&[0], leaf]),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(&naive(&leaves[..split]), &naive(&leaves[split..]))
            }
        }
    }

    #[test]
    fn agrees_with_the_certificate_transparency_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut merkle = Merkle::new();
        assert_eq!(merkle.root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let mut roots = Vec::new();
        for leaf in leaves {
            merkle.push(leaf);
            roots.push(merkle.root().to_string());
        }
        assert_eq!(roots[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(roots[2], "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        assert_eq!(roots[6], "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
        assert_eq!(roots[7], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_and_nothing_else_is(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..70),
            at in any::<prop::sample::Index>(),
            spoil in any::<prop::sample::Index>(),
        ) {
            let root = naive(&leaves);
            let hashes: Vec<Digest> = leaves.iter().map(|leaf| Merkle::leaf(leaf)).collect();
            let (index, size) = (at.index(leaves.len()), leaves.len() as u64);
            let path = audit_path(&hashes, index);
            prop_assert_eq!(root_by_path(hashes[index], index as u64, size, &path), Some(root));
            // Another leaf, another path, another length: not this root.
            let other = Merkle::leaf(b"another leaf, longer than any");
            prop_assert_ne!(root_by_path(other, index as u64, size, &path), Some(root));
            if !path.is_empty() {
                let mut spoilt = path.clone();
                spoilt[spoil.index(path.len())] = other;
                prop_assert_ne!(root_by_path(hashes[index], index as u64, size, &spoilt), Some(root));
                prop_assert_ne!(root_by_path(hashes[index], index as u64, size, &path[1..]), Some(root));
            }
            let mut longer = path.clone();
            longer.push(other);
            prop_assert_ne!(root_by_path(hashes[index], index as u64, size, &longer), Some(root));
            prop_assert_eq!(root_by_path(hashes[index], size, size, &path), None);
            prop_assert!(audit_path(&hashes, leaves.len()).is_empty());
        }

        #[test]
        fn streaming_equals_the_definition(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..200)) {
            let mut merkle = Merkle::new();
            for leaf in &leaves {
                merkle.push(leaf);
            }
            prop_assert_eq!(merkle.root(), naive(&leaves));
        }
    }
}
