//! Foreign text in the types of OSCAL: strings of one line, tokens, and markup that says nothing of its own.

use evidenced_model::ControlId;

use crate::visible::{cut, visible};

/// A value is cut to so many bytes; the stored line is the evidence.
const LONGEST: usize = 1000;

/// A string: one line, not empty, without space at its ends.
pub(super) fn string(text: &str) -> String {
    let seen = visible(text);
    let trimmed = cut(seen.trim(), LONGEST).into_owned();
    if trimmed.is_empty() { "(empty)".to_owned() } else { trimmed }
}

/// Text in the midst of markup: one line, in which nothing is markup.
pub(super) fn plain(text: &str) -> String {
    let line = string(text);
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        if c.is_ascii_punctuation()
            && !matches!(c, '.' | ',' | ':' | ';' | '/' | '-' | '\'' | '(' | ')' | '?' | '=' | '%' | '@')
        {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A token: a letter or an underscore first, then letters, digits, `-`, `_` and `.`.
pub(super) fn token(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut out: String = text.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    out
}

/// The id of a control: its number, with an underscore before one that begins with a digit.
pub(super) fn control_id(control: &ControlId) -> String {
    token(control.as_str())
}

/// The id of what configuration can show of a control: what our findings are about.
pub(super) fn objective_id(control: &ControlId) -> String {
    format!("{}_obj.configuration", control_id(control))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_in_the_types_of_oscal_come_out(text in any::<String>()) {
            for out in [string(&text), plain(&text)] {
                let breaks = ['\n', '\r', '\u{2028}'];
                let one_line = !out.contains(breaks);
                prop_assert!(!out.is_empty() && out.trim() == out && one_line);
            }
            let token = token(&text);
            prop_assert!(token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        }
    }

    #[test]
    fn no_name_is_markup() {
        assert_eq!(plain("<b>*x*_y_`z`[a](b)"), "\\<b\\>\\*x\\*\\_y\\_\\`z\\`\\[a\\](b)");
        assert_eq!(plain("{{ insert: param, x }}"), "\\{\\{ insert: param, x \\}\\}");
        assert_eq!(string("  \n "), "\\n");
        assert_eq!(string(""), "(empty)");
    }

    #[test]
    fn numbers_become_tokens() {
        assert_eq!(token("A.8.24"), "A.8.24");
        assert_eq!(token("6.1.3"), "_6.1.3");
        assert_eq!(token(""), "_");
    }
}
