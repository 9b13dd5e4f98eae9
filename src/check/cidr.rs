//! Networks: `cidr_contains` and `cidr_is_any`, for IPv4 and IPv6.

use std::net::IpAddr;

use serde_json::Value;

use crate::functions::NativeFunction;

/// The functions on networks that CEL programs may call.
pub(crate) const FUNCTIONS: &[NativeFunction] = &[
    NativeFunction { name: "cidr_contains", arity: 2, call: contains },
    NativeFunction { name: "cidr_is_any", arity: 1, call: is_any },
];

/// A network, its host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    v4: bool,
    bits: u128,
    prefix: u32,
}

impl Network {
    /// `address/prefix`, or a single address.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network such as 10.0.0.0/8 or 2001:db8::/32");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (v4, bits, width) = match address {
            IpAddr::V4(address) => (true, u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (false, u128::from(address), 128),
        };
        let prefix = match prefix {
            None => width,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= width).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        // A shift by the whole width is nothing left, not an overflow.
        let host = bits.checked_shr(width - prefix).unwrap_or(0);
        Ok(Self { v4, bits: host.checked_shl(width - prefix).unwrap_or(0), prefix })
    }

    fn contains(&self, other: &Self) -> bool {
        let width: u32 = if self.v4 { 32 } else { 128 };
        let cut = width - self.prefix;
        self.v4 == other.v4
            && self.prefix <= other.prefix
            && self.bits.checked_shr(cut).unwrap_or(0) == other.bits.checked_shr(cut).unwrap_or(0)
    }
}

/// Whether a network is one of IPv4, and the length of its prefix.
pub(crate) fn prefix(text: &str) -> Result<(bool, u32), String> {
    Network::parse(text).map(|network| (network.v4, network.prefix))
}

/// Whether a network that came as text is IPv4, with its first and last address.
pub(crate) fn span(text: &str) -> Result<(bool, u128, u128), String> {
    let network = Network::parse(text)?;
    let width: u32 = if network.v4 { 32 } else { 128 };
    let hosts = u128::MAX.checked_shr(128 - (width - network.prefix)).unwrap_or(0);
    Ok((network.v4, network.bits, network.bits | hosts))
}

/// Whether one network holds the other; false where either is no network.
pub(crate) fn holds(outer: &str, inner: &str) -> bool {
    Network::parse(outer).is_ok_and(|outer| Network::parse(inner).is_ok_and(|inner| outer.contains(&inner)))
}

fn contains(args: &[Value]) -> Result<Value, String> {
    let [outer, inner] = args else { return Err("takes a network and an address or network".into()) };
    Ok(network(outer)?.contains(&network(inner)?).into())
}

fn is_any(args: &[Value]) -> Result<Value, String> {
    let [cidr] = args else { return Err("takes a network".into()) };
    Ok((network(cidr)?.prefix == 0).into())
}

fn network(value: &Value) -> Result<Network, String> {
    Network::parse(value.as_str().ok_or("takes networks as strings")?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn has(outer: &str, inner: &str) -> bool {
        contains(&[json!(outer), json!(inner)]).unwrap() == json!(true)
    }

    #[test]
    fn networks_contain_addresses_and_smaller_networks() {
        assert!(has("10.0.0.0/8", "10.255.1.2"));
        assert!(has("10.1.2.3/8", "10.255.0.0/16"));
        assert!(!has("10.0.0.0/16", "10.0.0.0/8"));
        assert!(has("0.0.0.0/0", "203.0.113.7"));
        assert!(!has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::/48"));
        assert!(has("::/0", "2001:db8::1"));
        assert!(!has("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn a_span_is_the_first_and_the_last_address() {
        assert_eq!(span("10.0.0.0/8").unwrap(), (true, 0x0a00_0000, 0x0aff_ffff));
        assert_eq!(span("10.0.0.7").unwrap(), (true, 0x0a00_0007, 0x0a00_0007));
        assert_eq!(span("0.0.0.0/0").unwrap(), (true, 0, 0xffff_ffff));
        assert_eq!(span("::/0").unwrap(), (false, 0, u128::MAX));
        assert!(span("x").is_err());
        assert!(holds("10.0.0.0/8", "10.1.0.0/16") && !holds("10.1.0.0/16", "10.0.0.0/8") && !holds("x", "10.0.0.1"));
    }

    #[test]
    fn any_is_a_prefix_of_zero() {
        for (cidr, any) in [("0.0.0.0/0", true), ("::/0", true), ("0.0.0.0/1", false), ("0.0.0.0", false)] {
            assert_eq!(is_any(&[json!(cidr)]).unwrap(), json!(any), "{cidr}");
        }
    }

    #[test]
    fn nonsense_is_an_error_not_a_verdict() {
        for bad in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "host", "10.0.0.0/8/8"] {
            assert!(is_any(&[json!(bad)]).is_err(), "{bad}");
        }
        assert!(is_any(&[json!(8)]).is_err());
        assert!(is_any(&[]).is_err());
    }

    proptest! {
        #[test]
        fn every_network_contains_itself_and_its_first_address(address: u32, prefix in 0_u32..=32) {
            let address = std::net::Ipv4Addr::from(address);
            let cidr = format!("{address}/{prefix}");
            prop_assert!(has(&cidr, &cidr));
            prop_assert!(has(&cidr, &address.to_string()));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = Network::parse(&text);
        }
    }
}
