//! Names of files in a store: relative, plain, and never out of it.

/// Whether a path names a file in a store: words of printable ASCII between slashes, none of which is empty
/// or begins with a dot; no backslash, no colon.
pub fn valid_path(path: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.len() <= 255
            && !word.starts_with('.')
            && word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b':' | b'*' | b'?' | b'"'))
    };
    path.len() <= 1024 && path.split('/').all(word)
}
