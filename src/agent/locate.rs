//! Where in a YAML file a member stands, so that every config error can name its line.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A YAML tree that remembers lines and forgets values.
#[derive(Debug)]
struct Node {
    children: Vec<Child>,
}

/// A member of a map, or an element of a list.
#[derive(Debug)]
struct Child {
    name: String,
    line: u64,
    node: Node,
}

/// The line of a member, e.g. `["targets", "0", "aws", "regions"]`, or of the deepest part of the path that is there.
pub(crate) fn line(text: &str, path: &[&str]) -> Option<u64> {
    let root: Spanned<Node> = serde_saphyr::from_str(text).ok()?;
    let mut line = None;
    let mut node = &root.value;
    for part in path {
        let Some(child) = node.children.iter().find(|child| child.name == *part) else { break };
        line = Some(child.line);
        node = &child.node;
    }
    line
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl NodeVisitor {
    const LEAF: Node = Node { children: Vec::new() };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        // A member stands where its name stands; its value may begin below.
        while let Some((name, node)) = map.next_entry::<Spanned<String>, Spanned<Node>>()? {
            children.push(Child { line: name.referenced.line(), name: name.value, node: node.value });
        }
        Ok(Node { children })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = seq.next_element::<Spanned<Node>>()? {
            children.push(Child { name: children.len().to_string(), line: child.referenced.line(), node: child.value });
        }
        Ok(Node { children })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Self::LEAF)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn members_have_lines() {
        let text = "agent:\n  id: x\ntargets:\n  - aws:\n      regions: [a]\n      role: null\n";
        assert_eq!(line(text, &["agent", "id"]), Some(2));
        assert_eq!(line(text, &["targets", "0", "aws", "role"]), Some(6));
        assert_eq!(line(text, &["targets", "0", "aws", "nothing", "more"]), Some(4));
        assert_eq!(line(text, &["nothing"]), None);
        assert_eq!(line(": : :", &["x"]), None);
    }
}
