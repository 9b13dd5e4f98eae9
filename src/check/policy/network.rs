//! Address ranges in conditions: which are wide open.

use std::net::IpAddr;

/// A range that says where a caller is: at most a /8 (IPv4) or a /32 (IPv6), the widths at which S3 still calls a policy
/// not public; the private IPv6 range counts as well.
pub(super) fn is_specific(range: &str) -> bool {
    let (address, width) = match range.split_once('/') {
        Some((address, width)) => (address, width.parse::<u8>().ok()),
        None => (range, Some(128)),
    };
    match (address.parse::<IpAddr>(), width) {
        (Ok(IpAddr::V4(_)), Some(width)) => width >= 8,
        (Ok(IpAddr::V6(address)), Some(width)) => {
            width >= 32 || (width >= 7 && (address.segments()[0] & 0xfe00) == 0xfc00)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_specific;

    #[test]
    fn wide_ranges_are_not_specific() {
        for range in ["203.0.113.7", "203.0.113.0/24", "10.0.0.0/8", "172.16.0.0/12", "2001:db8::/32", "fc00::/7"] {
            assert!(is_specific(range), "{range}");
        }
        for range in ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "2000::/3", "*", "", "10.0.0.0/x"] {
            assert!(!is_specific(range), "{range}");
        }
    }
}
