//! Azure's network security groups: `nsg_open`, the ports that anybody on the internet can reach.
//!
//! Rules are tried by priority, the lowest number first, and the first that fits a packet decides. So an earlier Deny takes
//! away what a later Allow gives, as far as it fits the same protocol, port, source and destination. A port counts as
//! open to anybody where at least half of all IPv4 addresses, or of the IPv6 addresses that are routed publicly, may
//! reach it: 0.0.0.0/0 is also written as two halves, and a Deny for a few networks closes nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::cidr;
use crate::functions::NativeFunction;

/// The functions on network security groups that CEL programs may call.
pub(crate) const FUNCTIONS: &[NativeFunction] = &[NativeFunction { name: "nsg_open", arity: 1, call: open }];

/// What one evaluation may cost, in comparisons. Azure allows 1,000 rules of 4,000 prefixes a group.
const BUDGET: u64 = 20_000_000;
const ANY: &str = "*";

type Span = (u128, u128);

/// An inbound rule on TCP, UDP or both.
#[derive(Debug)]
struct Rule {
    priority: i64,
    allows: bool,
    /// For TCP and for UDP.
    protocols: [bool; 2],
    ports: Vec<(u16, u16)>,
    /// Source addresses of IPv4, and public ones of IPv6.
    sources: [Vec<Span>; 2],
    destinations: BTreeSet<String>,
    /// It fits whatever port the packet comes from.
    from_any_port: bool,
}

/// The addresses that count, by family: all of IPv4, and the part of IPv6 that is routed publicly (`2000::/3`).
const WHOLE: [Span; 2] = [(0, 0xffff_ffff), (0x2000 << 112, (0x4000 << 112) - 1)];

fn open(args: &[Value]) -> Result<Value, String> {
    let [rules] = args else { return Err("takes the rules of a network security group".into()) };
    let rules = rules.as_array().ok_or("takes rules as a list")?;
    let mut parsed = Vec::new();
    for rule in rules {
        parsed.extend(Rule::parse(rule.as_object().ok_or("takes rules as maps")?)?);
    }
    parsed.sort_by_key(|rule| rule.priority);
    let ranges = open_ports(&parsed)?;
    Ok(ranges.into_iter().map(|(from, to)| json!({ "from": from, "to": to })).collect())
}

/// The ranges of ports that are open to anybody, in order, adjacent ones joined.
fn open_ports(rules: &[Rule]) -> Result<Vec<(u16, u16)>, String> {
    let mut begins: BTreeSet<u32> = BTreeSet::from([0]);
    for (from, to) in rules.iter().flat_map(|rule| &rule.ports) {
        begins.extend([u32::from(*from), u32::from(*to) + 1]);
    }
    let mut open: Vec<(u16, u16)> = Vec::new();
    let mut budget = BUDGET;
    let ends = begins.iter().skip(1).copied().chain([0x1_0000]);
    for (begin, end) in begins.iter().copied().zip(ends) {
        let (Ok(from), Ok(to)) = (u16::try_from(begin), u16::try_from(end.saturating_sub(1))) else { continue };
        let here: Vec<&Rule> =
            rules.iter().filter(|rule| rule.ports.iter().any(|p| p.0 <= from && from <= p.1)).collect();
        if !reached(&here, &mut budget)? {
            continue;
        }
        match open.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(from) => last.1 = to,
            _ => open.push((from, to)),
        }
    }
    Ok(open)
}

/// Whether anybody gets through these rules, which all fit the port.
fn reached(rules: &[&Rule], budget: &mut u64) -> Result<bool, String> {
    for protocol in 0..2 {
        for (family, whole) in WHOLE.iter().enumerate() {
            let fit = |rule: &&&Rule| rule.protocols[protocol] && !rule.sources[family].is_empty();
            let here: Vec<&Rule> = rules.iter().filter(fit).copied().collect();
            let targets: BTreeSet<&String> =
                here.iter().filter(|rule| rule.allows).flat_map(|rule| &rule.destinations).collect();
            for target in targets {
                let mut left = vec![*whole];
                let mut allowed = 0;
                for rule in &here {
                    let cost = 1 + rule.destinations.len() + rule.sources[family].len() * left.len();
                    *budget = budget.checked_sub(cost as u64).ok_or("the group has too many rules to follow")?;
                    if !rule.reaches(target) || !(rule.allows || rule.from_any_port) {
                        continue;
                    }
                    let rest = without(&left, &rule.sources[family]);
                    if rule.allows {
                        allowed += size(&left) - size(&rest);
                    }
                    left = rest;
                }
                if allowed * 2 >= size(&[WHOLE[family]]) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

impl Rule {
    /// None where the rule is for outgoing traffic, or for protocols without ports.
    fn parse(rule: &Map<String, Value>) -> Result<Option<Self>, String> {
        let word = |name: &str| {
            let value = rule.get(name).and_then(Value::as_str);
            value.map(str::to_ascii_lowercase).ok_or_else(|| format!("a rule has no {name}"))
        };
        let inbound = match word("direction")?.as_str() {
            "inbound" => true,
            "outbound" => false,
            other => return Err(format!("{other:?} is no direction of a rule")),
        };
        let protocols = match word("protocol")?.as_str() {
            ANY => [true, true],
            "tcp" => [true, false],
            "udp" => [false, true],
            "icmp" | "icmpv6" | "esp" | "ah" => [false, false],
            other => return Err(format!("{other:?} is no protocol of a rule")),
        };
        let allows = match word("access")?.as_str() {
            "allow" => true,
            "deny" => false,
            other => return Err(format!("{other:?} is no access of a rule")),
        };
        let priority = rule.get("priority").and_then(Value::as_i64).ok_or("a rule has no priority")?;
        if !inbound || protocols == [false, false] {
            return Ok(None);
        }
        let mut sources = [Vec::new(), Vec::new()];
        for prefix in both(rule, "source_address_prefix", "source_address_prefixes")? {
            addresses(&prefix, &mut sources)?;
        }
        let ports = both(rule, "destination_port_range", "destination_port_ranges")?;
        let ports = ports.iter().map(|range| port_range(range)).collect::<Result<_, _>>()?;
        let from = both(rule, "source_port_range", "source_port_ranges")?;
        let from: Vec<(u16, u16)> = from.iter().map(|range| port_range(range)).collect::<Result<_, _>>()?;
        let mut destinations: BTreeSet<String> =
            both(rule, "destination_address_prefix", "destination_address_prefixes")?
                .iter()
                .map(|to| target(to))
                .collect();
        destinations.extend(texts(rule, "destination_asgs")?);
        let from_any_port = from.iter().any(|(from, to)| *from <= 1 && *to == u16::MAX);
        Ok(Some(Self { priority, allows, protocols, ports, sources, destinations, from_any_port }))
    }

    /// Whether it fits everything that goes to the target.
    fn reaches(&self, target: &str) -> bool {
        let network = target.contains(['.', ':']);
        let holds = |one: &String| network && cidr::holds(one, target);
        self.destinations.contains(ANY) || self.destinations.contains(target) || self.destinations.iter().any(holds)
    }
}

/// A member that is text, and its twin that is a list.
fn both(rule: &Map<String, Value>, one: &str, many: &str) -> Result<Vec<String>, String> {
    let mut all = texts(rule, many)?;
    match rule.get(one) {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.trim().is_empty() => {}
        Some(Value::String(text)) => all.push(text.trim().to_ascii_lowercase()),
        Some(_) => return Err(format!("{one} is not text")),
    }
    Ok(all)
}

fn texts(rule: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{name} is not a list of texts");
    match rule.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().map(|text| Ok(text.as_str().ok_or_else(wrong)?.trim().to_ascii_lowercase())).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// `*`, `22` or `20-30`.
fn port_range(text: &str) -> Result<(u16, u16), String> {
    if text == ANY {
        return Ok((0, u16::MAX));
    }
    let wrong = || format!("{text:?} is not a range of ports");
    let port = |digits: &str| digits.trim().parse::<u16>().map_err(|_| wrong());
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let range = (port(from)?, port(to)?);
    if range.0 <= range.1 { Ok(range) } else { Err(wrong()) }
}

/// Every way to write "anything" is one; other targets are compared as they are written.
fn target(text: &str) -> String {
    let any = ["any", "0.0.0.0/0", "::/0"].contains(&text);
    if any { ANY.to_owned() } else { text.to_owned() }
}

/// The addresses that a source prefix stands for. Of service tags only `Internet` is anybody.
fn addresses(prefix: &str, sources: &mut [Vec<Span>; 2]) -> Result<(), String> {
    if [ANY, "any", "internet"].contains(&prefix) {
        sources.iter_mut().zip(WHOLE).for_each(|(spans, whole)| spans.push(whole));
        return Ok(());
    }
    let is_tag = prefix.starts_with(|first: char| first.is_ascii_alphabetic()) && !prefix.contains([':', '/']);
    if is_tag {
        return Ok(());
    }
    let (v4, low, high) = cidr::span(prefix)?;
    let family = usize::from(!v4);
    let (low, high) = (low.max(WHOLE[family].0), high.min(WHOLE[family].1));
    if low <= high {
        sources[family].push((low, high));
    }
    Ok(())
}

/// What is left of some spans without others.
fn without(spans: &[Span], gone: &[Span]) -> Vec<Span> {
    let mut left = spans.to_vec();
    for (low, high) in gone {
        let cut = |(from, to): Span| {
            let before = (from < *low).then(|| (from, to.min(low - 1)));
            let after = (to > *high).then(|| (from.max(high + 1), to));
            [before, after].into_iter().flatten()
        };
        left = left.into_iter().flat_map(cut).collect();
    }
    left
}

fn size(spans: &[Span]) -> u128 {
    spans.iter().map(|(low, high)| high - low + 1).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(priority: i64, access: &str, source: &str, port: &str) -> Value {
        json!({
            "name": "r", "priority": priority, "direction": "Inbound", "access": access, "protocol": "Tcp",
            "source_address_prefix": source, "source_address_prefixes": [], "source_asgs": [],
            "source_port_range": "*", "source_port_ranges": [],
            "destination_address_prefix": "*", "destination_address_prefixes": [], "destination_asgs": [],
            "destination_port_range": port, "destination_port_ranges": [],
        })
    }

    fn with(mut rule: Value, member: &str, value: Value) -> Value {
        rule[member] = value;
        rule
    }

    fn ports(rules: &[Value]) -> Vec<(u64, u64)> {
        let found = open(&[json!(rules)]).unwrap();
        let number = |range: &Value, name: &str| range[name].as_u64().unwrap();
        found.as_array().unwrap().iter().map(|range| (number(range, "from"), number(range, "to"))).collect()
    }

    #[test]
    fn anybody_is_written_in_many_ways() {
        for source in ["*", "Any", "Internet", "0.0.0.0/0", "::/0", "2000::/3", "0.0.0.0/1"] {
            assert_eq!(ports(&[rule(100, "Allow", source, "22")]), [(22, 22)], "{source}");
        }
        for source in
            ["10.0.0.0/8", "VirtualNetwork", "AzureCloud.WestEurope", "203.0.113.7", "64.0.0.0/2", "fc00::/7", ""]
        {
            assert_eq!(ports(&[rule(100, "Allow", source, "22")]), [], "{source}");
        }
    }

    #[test]
    fn both_members_count() {
        let sources = with(rule(100, "allow", "", "22"), "source_address_prefixes", json!(["10.0.0.1", "0.0.0.0/0"]));
        assert_eq!(ports(&[sources]), [(22, 22)]);
        let two = with(rule(100, "Allow", "*", ""), "destination_port_ranges", json!(["20-30", "3389"]));
        assert_eq!(ports(&[two]), [(20, 30), (3389, 3389)]);
        assert_eq!(ports(&[rule(100, "Allow", "*", "*")]), [(0, 65535)]);
    }

    #[test]
    fn halves_are_a_whole_and_small_networks_are_none() {
        let halves = with(rule(100, "Allow", "", "22"), "source_address_prefixes", json!(["0.0.0.0/1", "128.0.0.0/1"]));
        assert_eq!(ports(&[halves]), [(22, 22)]);
        let quarters = [rule(100, "Allow", "0.0.0.0/2", "22"), rule(101, "Allow", "192.0.0.0/2", "22")];
        assert_eq!(ports(&quarters), [(22, 22)]);
    }

    #[test]
    fn an_earlier_deny_cancels_and_a_later_one_does_not() {
        let allow = rule(200, "Allow", "*", "20-30");
        assert_eq!(ports(&[allow.clone(), rule(100, "Deny", "*", "22")]), [(20, 21), (23, 30)]);
        assert_eq!(ports(&[allow.clone(), rule(100, "Deny", "Internet", "*")]), []);
        assert_eq!(ports(&[allow.clone(), rule(300, "Deny", "*", "22")]), [(20, 30)]);
        assert_eq!(ports(&[allow.clone(), rule(100, "Deny", "203.0.113.0/24", "22")]), [(20, 30)]);
        assert_eq!(ports(&[allow.clone(), rule(100, "Deny", "0.0.0.0/0", "*")]), [(20, 30)], "IPv6 is left");
        let udp = with(rule(100, "Deny", "*", "*"), "protocol", json!("Udp"));
        assert_eq!(ports(&[allow.clone(), udp]), [(20, 30)]);
        let one_source_port = with(rule(100, "Deny", "*", "*"), "source_port_range", json!("1024-2048"));
        assert_eq!(ports(&[allow.clone(), one_source_port]), [(20, 30)]);
        let elsewhere = with(rule(100, "Deny", "*", "*"), "destination_address_prefix", json!("10.0.0.0/24"));
        assert_eq!(ports(&[allow, elsewhere]), [(20, 30)]);
    }

    #[test]
    fn a_deny_covers_narrower_destinations() {
        let allow = with(rule(200, "Allow", "*", "22"), "destination_address_prefix", json!("10.0.0.4"));
        let deny = with(rule(100, "Deny", "*", "22"), "destination_address_prefix", json!("10.0.0.0/24"));
        assert_eq!(ports(&[allow, deny.clone()]), []);
        let group = with(rule(200, "Allow", "*", "22"), "destination_address_prefix", Value::Null);
        let group = with(group, "destination_asgs", json!(["/subscriptions/x/asg"]));
        assert_eq!(ports(&[group.clone(), deny]), [(22, 22)]);
        assert_eq!(ports(&[group, rule(100, "Deny", "*", "22")]), []);
    }

    #[test]
    fn protocols_and_directions() {
        for protocol in ["*", "TCP", "Udp"] {
            assert_eq!(ports(&[with(rule(100, "Allow", "*", "22"), "protocol", json!(protocol))]), [(22, 22)]);
        }
        assert_eq!(ports(&[with(rule(100, "Allow", "*", "*"), "protocol", json!("Icmp"))]), []);
        assert_eq!(ports(&[with(rule(100, "Allow", "*", "22"), "direction", json!("Outbound"))]), []);
    }

    #[test]
    fn nonsense_is_an_error_not_a_verdict() {
        for (member, value) in [
            ("protocol", json!("gre")),
            ("access", json!("Maybe")),
            ("direction", Value::Null),
            ("priority", Value::Null),
            ("destination_port_range", json!("30-20")),
            ("destination_port_range", json!("ssh")),
            ("source_address_prefix", json!("10.0.0.0/33")),
            ("source_address_prefixes", json!("*")),
        ] {
            let spoilt = with(rule(100, "Allow", "*", "22"), member, value.clone());
            assert!(open(&[json!([spoilt])]).is_err(), "{member} {value}");
        }
        assert!(open(&[json!("*")]).is_err());
    }

    proptest! {
        #[test]
        fn a_first_deny_of_everything_leaves_nothing(
            rules in prop::collection::vec((101_i64..4000, any::<bool>(), 0_u16..100, 0_u16..100), 0..8),
        ) {
            let made = |(priority, allow, from, len): (i64, bool, u16, u16)| {
                rule(priority, if allow { "Allow" } else { "Deny" }, "*", &format!("{from}-{}", from + len))
            };
            let mut rules: Vec<Value> = rules.into_iter().map(made).collect();
            let before = ports(&rules);
            for port in 0..200 {
                // What the first rule by priority says of a port is what is found.
                let fits = |rule: &&Value| {
                    let (from, to) = port_range(rule["destination_port_range"].as_str().unwrap()).unwrap();
                    u64::from(from) <= port && port <= u64::from(to)
                };
                let first = rules.iter().filter(fits).min_by_key(|rule| rule["priority"].as_i64());
                let expected = first.is_some_and(|rule| rule["access"] == "Allow");
                prop_assert_eq!(before.iter().any(|(from, to)| *from <= port && port <= *to), expected);
            }
            rules.push(with(rule(100, "Deny", "*", "*"), "protocol", json!("*")));
            prop_assert!(ports(&rules).is_empty());
        }

        #[test]
        fn taking_spans_away_never_adds(low in 0_u128..1000, len in 0_u128..1000, gone in 0_u128..1000, more in 0_u128..1000) {
            let spans = [(low, low + len)];
            let left = without(&spans, &[(gone, gone + more)]);
            prop_assert!(size(&left) <= size(&spans));
            prop_assert!(left.iter().all(|(from, to)| from <= to && (*to < gone || *from > gone + more)));
        }

        #[test]
        fn never_panics(source in ".{0,20}", port in ".{0,12}") {
            let _ = open(&[json!([rule(100, "Allow", &source, &port)])]);
        }
    }
}
