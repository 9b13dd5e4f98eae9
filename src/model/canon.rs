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
