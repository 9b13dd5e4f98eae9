//! Foreign text made harmless: control characters become visible, and nothing can act on a terminal or a shell.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that is not seen, or that changes how others are seen, written as an escape.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if hidden(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The beginning of a text, at most so many bytes, with a mark if something was cut.
pub(crate) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}… ({} bytes in all)", &text[..text.floor_char_boundary(bytes)], text.len()))
}

/// A JSON string in ASCII and without quotes that a shell knows, so that it can stand between single quotes.
pub(crate) fn quoted_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' if c != '\'' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// One word of a shell's command line.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", visible(text).replace('\'', r"'\''"))
    }
}

/// A path as the evidence format writes it: safe in a command line, and never an option.
pub(crate) fn is_object_path(path: &str) -> bool {
    path.starts_with("v1/")
        && !path.contains("..")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
        || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_stays_as_it_is() {
        assert!(matches!(visible("bücket 名前 ✓"), Cow::Borrowed("bücket 名前 ✓")));
    }

    #[test]
    fn what_hides_or_acts_becomes_visible() {
        assert_eq!(visible("a\nb\x1b[31m\u{9b}1m\u{202e}x\0"), r"a\nb\u{1b}[31m\u{9b}1m\u{202e}x\u{0}");
        assert_eq!(visible("\u{feff}\u{200b}\u{fffe}\u{e0041}"), r"\u{feff}\u{200b}\u{fffe}\u{e0041}");
    }

    #[test]
    fn cutting_respects_characters() {
        assert_eq!(cut("äää", 3), "ä… (6 bytes in all)");
        assert_eq!(cut("äää", 6), "äää");
    }

    #[test]
    fn a_quoted_string_leaves_no_quote_open() {
        let hostile = "'; rm -rf \"$HOME\" #\n\\(env)\u{1f600}";
        let quoted = quoted_json(hostile);
        assert!(!quoted.contains('\'') && quoted.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), hostile);
    }

    #[test]
    fn shell_words_are_quoted_where_they_must_be() {
        assert_eq!(shell_word("s3://bucket/prefix"), "s3://bucket/prefix");
        assert_eq!(shell_word("my evidence"), "'my evidence'");
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
    }

    #[test]
    fn only_paths_of_a_store_are_commands() {
        assert!(is_object_path("v1/objects/ab/abcd.jsonl.zst"));
        assert!(!is_object_path("v1/objects/$(id)"));
        assert!(!is_object_path("--help"));
        assert!(!is_object_path("v1/../../etc"));
    }
}
