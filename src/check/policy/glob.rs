//! Wildcards as IAM knows them: `*` is any text, `?` one character, everything else itself.

/// Whether everything that `target` matches is matched by `pattern`; a target without wildcards is plain text.
///
/// A wildcard of the target is met by a `*` of the pattern only, so the answer can be too strict, never too generous.
pub(super) fn covers(pattern: &str, target: &str) -> bool {
    walk(pattern, target, |a, b| a == b)
}

/// The same without regard to case, as for actions.
pub(super) fn covers_folded(pattern: &str, target: &str) -> bool {
    walk(pattern, target, |a, b| a.eq_ignore_ascii_case(&b))
}

/// Whether the text holds a wildcard.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn walk(pattern: &str, target: &str, same: fn(char, char) -> bool) -> bool {
    let (mut rest, mut left) = (pattern, target);
    let mut star: Option<(&str, &str)> = None;
    loop {
        match (split(rest), split(left)) {
            (Some(('*', after)), _) => {
                rest = after;
                star = Some((after, left));
            }
            (Some((p, after)), Some((t, behind))) if same(p, t) || (p == '?' && t != '*') => {
                rest = after;
                left = behind;
            }
            (None, None) => return true,
            _ => {
                let Some((after, from)) = star else { return false };
                let Some((_, behind)) = split(from) else { return false };
                star = Some((after, behind));
                rest = after;
                left = behind;
            }
        }
    }
}

fn split(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|first| (first, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        assert!(covers("s3:*", "s3:GetObject"));
        assert!(covers("*", ""));
        assert!(covers("a*b*c", "aXbbYc"));
        assert!(covers("a?c", "aéc"));
        assert!(!covers("a?c", "ac"));
        assert!(!covers("a*d", "abc"));
        assert!(covers("arn:aws:s3:::b*", "arn:aws:s3:::b/*"));
        assert!(!covers("arn:aws:s3:::b/?", "arn:aws:s3:::b/*"));
        assert!(!covers("arn:aws:s3:::b/x*", "arn:aws:s3:::b/*"));
        assert!(covers_folded("S3:get*", "s3:GetObject"));
        assert!(!covers("S3:get*", "s3:GetObject"));
    }

    #[test]
    fn many_stars_end() {
        assert!(!covers(&"*a".repeat(200), &"a".repeat(199)));
        assert!(covers(&"*a".repeat(200), &"a".repeat(400)));
    }
}
