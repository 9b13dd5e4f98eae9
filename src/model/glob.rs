//! Patterns with `*` for any text and `?` for one character, over whole names.

/// Whether a pattern matches a whole name.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, matches) in [
            ("aws.s3.*", "aws.s3.versioning", true),
            ("aws.s3", "aws.s3.versioning", false),
            ("aws.s3*", "aws.s3", true),
            ("aws.s?", "aws.s3", true),
            ("*.s3", "aws.iam", false),
            ("*", "", true),
            ("b?cher", "bücher", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*b", "abc", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
