//! How wide a firewall rule is: `cidr_prefix` of a network, `range_prefix` of a first and a last address.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::cidr::prefix;
use crate::functions::NativeFunction;

/// The functions on the width of networks that CEL programs may call.
pub(crate) const FUNCTIONS: &[NativeFunction] = &[
    NativeFunction { name: "cidr_prefix", arity: 1, call: cidr_prefix },
    NativeFunction { name: "range_prefix", arity: 2, call: range_prefix },
];

/// The length of the prefix in the measure of IPv4: that of IPv6 counts half, so a site's /48 is like a /24.
fn cidr_prefix(args: &[Value]) -> Result<Value, String> {
    let [Value::String(cidr)] = args else { return Err("takes a network as a string".into()) };
    let (v4, prefix) = prefix(cidr)?;
    Ok((if v4 { prefix } else { prefix / 2 }).into())
}

/// The longest prefix that has at least as many addresses as the range: 32 for a single one, 0 for all.
fn range_prefix(args: &[Value]) -> Result<Value, String> {
    let [Value::String(first), Value::String(last)] = args else {
        return Err("takes a first and a last address as strings".into());
    };
    let address = |text: &str| {
        text.parse::<Ipv4Addr>().map(u32::from).map_err(|_| format!("{text:?} is not an address such as 192.0.2.1"))
    };
    let (first, last) = (address(first)?, address(last)?);
    let others = last.checked_sub(first).ok_or("the last address is before the first")?;
    Ok(others.leading_zeros().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_are_measured_by_the_network_that_would_hold_as_many() {
        for (first, last, prefix) in [
            ("0.0.0.0", "0.0.0.0", 32),
            ("192.0.2.1", "192.0.2.2", 31),
            ("192.0.2.0", "192.0.2.255", 24),
            ("192.0.2.10", "192.0.3.9", 24),
            ("192.0.2.0", "192.0.3.0", 23),
            ("10.0.0.0", "10.0.255.255", 16),
            ("0.0.0.1", "255.255.255.255", 0),
            ("0.0.0.0", "255.255.255.255", 0),
        ] {
            assert_eq!(range_prefix(&[json!(first), json!(last)]).unwrap(), json!(prefix), "{first}-{last}");
        }
    }

    #[test]
    fn networks_are_measured_by_their_prefix() {
        for (cidr, prefix) in
            [("0.0.0.0/0", 0), ("10.0.0.0/8", 8), ("192.0.2.1", 32), ("2001:db8::/48", 24), ("::/0", 0)]
        {
            assert_eq!(cidr_prefix(&[json!(cidr)]).unwrap(), json!(prefix), "{cidr}");
        }
    }

    #[test]
    fn nonsense_is_an_error_not_a_verdict() {
        for args in [json!([]), json!(["192.0.2.2", "192.0.2.1"]), json!(["a", "192.0.2.1"]), json!([1, 2])] {
            assert!(range_prefix(args.as_array().unwrap()).is_err(), "{args}");
        }
        for args in [json!([]), json!([""]), json!(["AzureCloud"]), json!([8])] {
            assert!(cidr_prefix(args.as_array().unwrap()).is_err(), "{args}");
        }
    }
}
