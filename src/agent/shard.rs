//! Splitting the accounts among several agents, so that a change of their number moves few.

use evidenced_kit::Mine;
use evidenced_model::{AgentId, Digest, manifest};

use crate::exit::{Ended, Exit};

/// One of so many shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    of: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no shard: expected I/N with I from 1 to N, e.g. 1/3");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self { index: index.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if (1..=shard.of).contains(&shard.index) && shard.of <= 1000 { Ok(shard) } else { Err(wrong()) }
    }
}

impl Shard {
    /// From the environment: `EVIDENCED_SHARD=I/N`, or `EVIDENCED_SHARDS=N` in a Kubernetes Indexed Job, whose
    /// `JOB_COMPLETION_INDEX` counts from 0.
    pub(crate) fn from_environment(environment: &[(String, String)]) -> Result<Option<Self>, Ended> {
        let get = |wanted: &str| {
            environment
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.as_str())
        };
        let wrong = |name: &str, what: String| Ended::new(Exit::Usage, format!("environment variable {name}: {what}"));
        if let Some(shard) = get("EVIDENCED_SHARD") {
            return shard.parse().map(Some).map_err(|what| wrong("EVIDENCED_SHARD", what));
        }
        let Some(of) = get("EVIDENCED_SHARDS") else { return Ok(None) };
        let index = get("JOB_COMPLETION_INDEX").ok_or_else(|| {
            let what = "it needs JOB_COMPLETION_INDEX, which an Indexed Job sets; else use --shard I/N";
            wrong("EVIDENCED_SHARDS", what.to_owned())
        })?;
        let index: u32 = index.parse().map_err(|_| wrong("JOB_COMPLETION_INDEX", format!("{index:?} is no number")))?;
        format!("{}/{of}", index.saturating_add(1)).parse().map(Some).map_err(|what| wrong("EVIDENCED_SHARDS", what))
    }

    /// The agent of this shard: each has a log of its own.
    pub(crate) fn agent(self, id: &AgentId) -> Result<AgentId, Ended> {
        let name = format!("{id}-{}", self.index);
        AgentId::parse(name).map_err(|error| Ended::new(Exit::Usage, format!("agent.id with a shard: {error}")))
    }

    /// Which accounts are its own.
    pub(crate) fn mine(self) -> Mine {
        Mine::new(move |provider, account| self.owner(&format!("{provider}:{account}")) == self.index)
    }

    /// The same, as the manifest says it.
    pub(crate) fn said(shard: Option<Self>) -> manifest::Shard {
        shard.map_or_else(manifest::Shard::default, |shard| manifest::Shard { index: shard.index, of: shard.of })
    }

    /// The shard that an account falls to: the one whose hash with it is the highest (rendezvous hashing).
    fn owner(self, account: &str) -> u32 {
        let weight = |index: u32| *Digest::of(format!("{account}\n{index}").as_bytes()).as_bytes();
        (1..=self.of).max_by_key(|index| weight(*index)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(of: u32) -> Vec<u32> {
        (0..1000).map(|n| Shard { index: 1, of }.owner(&format!("aws:{n:012}"))).collect()
    }

    #[test]
    fn each_account_has_one_owner_and_a_new_shard_moves_few() {
        let (four, five) = (owners(4), owners(5));
        for index in 1..=4 {
            let share = four.iter().filter(|owner| **owner == index).count();
            assert!((190..310).contains(&share), "{share}");
        }
        let moved = four.iter().zip(&five).filter(|(before, after)| before != after).count();
        assert!((150..250).contains(&moved), "{moved}");
        assert!(four.iter().zip(&five).all(|(before, after)| before == after || *after == 5), "only to the new one");
    }

    #[test]
    fn shards_are_named_from_one() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, of: 3 }));
        for text in ["0/3", "4/3", "1", "a/b", "1/0", "1/1001", ""] {
            assert!(text.parse::<Shard>().unwrap_err().contains("I from 1 to N"), "{text}");
        }
        let from = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Shard::from_environment(&pairs).map_err(|ended| ended.message)
        };
        assert_eq!(from(&[]), Ok(None));
        assert_eq!(from(&[("EVIDENCED_SHARD", "1/2")]), Ok(Some(Shard { index: 1, of: 2 })));
        let job = [("EVIDENCED_SHARDS", "3"), ("JOB_COMPLETION_INDEX", "2")];
        assert_eq!(from(&job), Ok(Some(Shard { index: 3, of: 3 })));
        assert!(from(&job[..1]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
        assert!(from(&[("EVIDENCED_SHARDS", "2"), ("JOB_COMPLETION_INDEX", "2")]).is_err());
        let id = Shard { index: 2, of: 3 }.agent(&"prod".parse().unwrap()).unwrap();
        assert_eq!(id.as_str(), "prod-2");
    }
}
