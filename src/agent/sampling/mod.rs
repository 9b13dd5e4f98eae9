//! Sampling: who is drawn from a population is decided by a seed and SHA-256 alone, so that anybody can draw again.
//!
//! The order of the draw: sort by SHA-256 of `seed LF kind LF provider/account/region LF id`, as bytes; the first so many
//! are drawn. The name of the population: SHA-256 over the lines of hexadecimal SHA-256 of `kind LF
//! provider/account/region LF id`, sorted, each ended by LF. Neither depends on the other, on a clock, or on the order in
//! which anything was read. No kind and no place holds an LF, so no two resources look alike.

mod drawn;
mod population;

use std::collections::BTreeMap;

use evidenced_model::{Digest, KindId, Scope};
use serde::Serialize;

pub(crate) use drawn::{Drawn, read};
pub(crate) use population::{Gathered, PopulationGap, gather};

/// One of a population: a resource, or a place that a check speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// Its kind.
    pub(crate) kind: KindId,
    /// Where it is.
    pub(crate) scope: Scope,
    /// Its id.
    pub(crate) id: String,
}

impl Item {
    /// Its name in the population.
    pub(crate) fn name(&self) -> Digest {
        Digest::of_parts(&[self.kind.as_str().as_bytes(), b"\n", self.place().as_bytes(), b"\n", self.id.as_bytes()])
    }

    /// Its place in the order of a draw.
    pub(crate) fn key(&self, seed: &str) -> Digest {
        let parts: [&[u8]; 7] = [
            seed.as_bytes(),
            b"\n",
            self.kind.as_str().as_bytes(),
            b"\n",
            &self.place().into_bytes(),
            b"\n",
            self.id.as_bytes(),
        ];
        Digest::of_parts(&parts)
    }

    /// Where it is, in one word.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}/{}", self.scope.provider, self.scope.account, self.scope.region)
    }
}

/// The digest that names a population, from the names of its members in their order.
pub(crate) fn name_of<'n>(names: impl Iterator<Item = &'n Digest>) -> Digest {
    let mut lines = Vec::new();
    for name in names {
        lines.extend_from_slice(&name.hex());
        lines.push(b'\n');
    }
    Digest::of(&lines)
}

/// The first so many in the order of the draw, with their keys.
pub(crate) fn draw<T>(population: BTreeMap<Digest, (Item, T)>, seed: &str, many: usize) -> Vec<(Digest, Item, T)> {
    let mut ordered: Vec<(Digest, Item, T)> =
        population.into_values().map(|(item, rest)| (item.key(seed), item, rest)).collect();
    ordered.sort_by_key(|(key, ..)| *key);
    ordered.truncate(many);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> Item {
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            provider: "aws".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
        };
        Item { kind: "aws.s3.bucket".parse().unwrap(), scope, id: id.to_owned() }
    }

    fn population(ids: &[String]) -> BTreeMap<Digest, (Item, ())> {
        ids.iter().map(|id| (item(id).name(), (item(id), ()))).collect()
    }

    #[test]
    fn keys_are_what_the_documentation_says() {
        // printf '42\naws.s3.bucket\naws/123456789012/eu-central-1\ninvoices' | sha256sum
        let text = "42\naws.s3.bucket\naws/123456789012/eu-central-1\ninvoices";
        assert_eq!(item("invoices").key("42"), Digest::of(text.as_bytes()));
        assert_eq!(item("invoices").name(), Digest::of(&text.as_bytes()[3..]));
        let two = population(&["a".to_owned(), "b".to_owned()]);
        let mut names = [item("a").name().to_string(), item("b").name().to_string()];
        names.sort();
        assert_eq!(name_of(two.keys()), Digest::of(format!("{}\n{}\n", names[0], names[1]).as_bytes()));
    }

    #[test]
    fn a_draw_depends_on_its_seed_and_its_population_only() {
        let ids: Vec<String> = (0..500).map(|number| format!("bucket-{number}")).collect();
        let mut backwards = ids.clone();
        backwards.reverse();
        let names = |drawn: Vec<(Digest, Item, ())>| drawn.into_iter().map(|(_, item, ())| item.id).collect::<Vec<_>>();
        let first = names(draw(population(&ids), "42", 25));
        assert_eq!(first, names(draw(population(&backwards), "42", 25)));
        assert_ne!(first, names(draw(population(&ids), "43", 25)));
        // A larger sample begins with the smaller one, and one that is gone moves only itself.
        assert_eq!(first, names(draw(population(&ids), "42", 100))[..25]);
        let without: Vec<String> = ids.iter().filter(|id| **id != first[3]).cloned().collect();
        let again = names(draw(population(&without), "42", 24));
        assert_eq!(again, first.iter().filter(|id| **id != first[3]).cloned().collect::<Vec<_>>());
        assert_eq!(names(draw(population(&ids), "42", 1000)).len(), 500);
    }
}
