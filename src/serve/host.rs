//! Hosts: what a `Host` header says, and which of them are ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host with its port, as in a `Host` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

impl Authority {
    /// Parses a name, an IPv4 address or a bracketed IPv6 address, with or without a port; nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (Host::Address(IpAddr::V6(address).to_canonical()), port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Host::parse(host)?, port)
        };
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            None if port.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let label = |part: &str| {
            (1..=63).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        (text.len() <= 253 && text.split('.').all(label)).then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// Whether this name or address means the machine itself, whoever answers for names.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (Host, Option<u16>) {
        let authority = Authority::parse(text).unwrap_or_else(|| panic!("{text}"));
        (authority.host, authority.port)
    }

    #[test]
    fn names_and_addresses() {
        let name = |text: &str| Host::Name(text.to_owned());
        assert_eq!(parsed("Evidenced.Example.com:8787"), (name("evidenced.example.com"), Some(8787)));
        assert_eq!(parsed("localhost"), (name("localhost"), None));
        assert_eq!(parsed("localhost:"), (name("localhost"), None));
        assert_eq!(parsed("127.0.0.1:80"), (Host::Address([127, 0, 0, 1].into()), Some(80)));
        assert_eq!(parsed("[::1]:80"), (Host::Address(Ipv6Addr::LOCALHOST.into()), Some(80)));
        assert_eq!(parsed("[::ffff:127.0.0.1]").0, Host::Address([127, 0, 0, 1].into()));
        // A resolver may take this for 127.0.0.1; we do not, so it is nobody we know.
        assert!(!parsed("127.1").0.is_loopback());
        assert!(!parsed("localhost.example.com").0.is_loopback());
        for bad in [
            "",
            ":80",
            "a b",
            "a@b",
            "http://a",
            "a/b",
            "::1",
            "[::1",
            "[::1]x",
            "[::1%lo]",
            "a:+80",
            "a:80:80",
            "a:65536",
            "a..b",
            "a.",
            ".a",
            "a\0",
            "ä.example.com",
            "*.example.com",
        ] {
            assert_eq!(Authority::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_only_loopback_is_loopback(text in "\\PC{0,40}|[\\[\\]:.0-9a-fA-Fxlocalhst]{0,40}") {
            if let Some(authority) = Authority::parse(&text) {
                let bare = text.to_ascii_lowercase();
                let ours = bare.starts_with("localhost") || bare.starts_with("127.") || bare.starts_with('[');
                prop_assert!(ours || !authority.host.is_loopback());
                prop_assert!(text.is_ascii());
            }
        }

        #[test]
        fn addresses_come_back(address: std::net::SocketAddr) {
            let authority = Authority::parse(&address.to_string());
            if !matches!(address, std::net::SocketAddr::V6(v6) if v6.scope_id() != 0) {
                let authority = authority.unwrap();
                prop_assert_eq!(authority.host, Host::Address(address.ip().to_canonical()));
                prop_assert_eq!(authority.port, Some(address.port()));
            }
        }
    }
}
