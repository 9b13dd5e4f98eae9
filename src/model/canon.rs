//! Canonical JSON (RFC 8785): one value, one sequence of bytes.
//!
//! Integers beyond 2^53 - 1 become strings, as the evidence format says, so that no reader rounds them.

use serde::Serialize;
use serde_json::{Map, Value};

const MAX_SAFE: u64 = (1 << 53) - 1;

/// The canonical bytes of a value.
pub fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    append(value, &mut out);
    out
}

/// Appends the canonical bytes of anything that serialises.
///
/// # Panics
/// If the type's own `Serialize` fails or has a map with keys that are not text: a bug in that type.
pub fn append<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "our own types serialise; a failure is a bug, not an input")]
    let value = serde_json::to_value(value).expect("the type serialises to JSON");
    write(&value, out);
}

/// Appends the canonical bytes of a JSON value.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_str(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => write_map(map, out),
    }
}

/// Appends the canonical bytes of an object: members sorted by the UTF-16 units of their names.
pub fn write_map(map: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut members: Vec<(&String, &Value)> = map.iter().collect();
    members.sort_by(|(a, _), (b, _)| compare_names(a, b));
    out.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_str(name, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

fn compare_names(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) {
    use std::io::Write as _;
    if let Some(integer) = number.as_u64() {
        let _ = if integer > MAX_SAFE { write!(out, "\"{integer}\"") } else { write!(out, "{integer}") };
    } else if let Some(integer) = number.as_i64() {
        let _ = if integer.unsigned_abs() > MAX_SAFE { write!(out, "\"{integer}\"") } else { write!(out, "{integer}") };
    } else if let Some(float) = number.as_f64() {
        out.extend_from_slice(ryu_js::Buffer::new().format(float).as_bytes());
    }
}

/// Appends a JSON string with RFC 8785's escapes (ECMA-262, `QuoteJSONString`).
pub fn write_str(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..index]);
        start = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            _ => out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(value: &Value) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Any JSON value whose integers a reader need not round, with names beyond the basic multilingual plane.
    fn value() -> impl Strategy<Value = Value> {
        let text =
            prop::string::string_regex("[\\x00-\\x1f\"\\\\a-c\u{e9}\u{20ac}\u{fb33}\u{1f600}]{0,6}").unwrap().boxed();
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
            // As many digits as a reader reads back exactly, whatever his way of reading.
            (-1_000_000_000..1_000_000_000_i32).prop_map(|number| Value::from(f64::from(number) / 1000.0)),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..8).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    /// Whether two values are the same to a reader that knows only doubles, as RFC 8785 has it.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            (a, b) => a == b,
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_and_written_alike(value in value()) {
            let text = canonical(&value);
            let back: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(same(&value, &back), "{}", text);
            prop_assert_eq!(canonical(&back), text);
        }

        #[test]
        fn the_order_of_members_does_not_show(
            members in prop::collection::btree_map("[a-z\u{e9}\u{1f600}\u{fb33}]{0,4}", value(), 0..8),
        ) {
            let forth: Map<String, Value> = members.clone().into_iter().collect();
            let back: Map<String, Value> = members.into_iter().rev().collect();
            prop_assert_eq!(canonical(&Value::Object(forth)), canonical(&Value::Object(back)));
        }

        #[test]
        fn nothing_is_between_the_tokens(value in value()) {
            // None of the texts has a blank, and line breaks in them are escaped.
            prop_assert!(!canonical(&value).contains([' ', '\n', '\t']));
        }
    }

    #[test]
    fn numbers_look_as_in_appendix_b_of_rfc_8785() {
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0001, "9007199254740994"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(canonical(&Value::from(f64::from_bits(bits))), text, "{bits:016x}");
        }
    }

    #[test]
    fn integers_that_a_reader_would_round_are_text() {
        assert_eq!(canonical(&json!((1_u64 << 53) - 1)), "9007199254740991");
        assert_eq!(canonical(&json!(1_u64 << 53)), "\"9007199254740992\"");
        assert_eq!(canonical(&json!(-(1_i64 << 53))), "\"-9007199254740992\"");
    }

    #[test]
    fn members_are_sorted_by_utf_16_units_and_escapes_are_the_short_ones() {
        // The example of RFC 8785, section 3.2.3.
        let members = json!({
            "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7,
        });
        let expected = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(&members), expected);
        assert_eq!(canonical(&json!("\u{8}\t\n\u{c}\r\"\\/\u{f}\u{7f}")), "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u000f\u{7f}\"");
    }
}
