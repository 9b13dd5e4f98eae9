//! The bearer token: read from a file, compared in constant time, and shown to nobody.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use crate::ServeError;

/// Fewer characters can be guessed.
const SHORTEST: usize = 16;
/// More is no token but some other file.
const LONGEST: usize = 4096;

/// The bearer token. Neither its `Debug` nor any error shows it.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token of 16 to 4096 visible ASCII characters; white space around it is left out.
    pub fn new(text: &str) -> Result<Self, ServeError> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let bad = |what: &str| Err(ServeError::BadToken { what: what.to_owned() });
        if text.is_empty() {
            bad("the token is empty")
        } else if text.len() < SHORTEST {
            bad(&format!("the token is shorter than {SHORTEST} characters, and could be guessed"))
        } else if text.len() > LONGEST {
            bad(&format!("the token is longer than {LONGEST} characters"))
        } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
            bad("the token has characters other than visible ASCII, which a header cannot carry")
        } else {
            Ok(Self(text.into()))
        }
    }

    /// Reads the token from a file. One that everybody can read is taken, with a warning: that is how Kubernetes mounts
    /// secrets, in a container that has one user.
    pub fn read(path: &Path) -> Result<Self, ServeError> {
        let wrong = |source| ServeError::TokenFile { path: path.to_owned(), source };
        let file = File::open(path).map_err(wrong)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(wrong)?.permissions().mode();
            if mode & 0o004 != 0 {
                tracing::warn!(file = %path.display(), "every user of this machine can read the token: chmod o= helps");
            }
        }
        let mut text = String::new();
        file.take(2 * LONGEST as u64).read_to_string(&mut text).map_err(wrong)?;
        Self::new(&text).map_err(|error| match error {
            ServeError::BadToken { what } => ServeError::BadToken { what: format!("{}: {what}", path.display()) },
            other => other,
        })
    }

    /// Whether this is the token. How long that takes tells nothing but the length.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "example-token-0123456789";

    #[test]
    fn only_the_token_is_the_token() {
        let token = Token::new(GOOD).unwrap();
        assert!(token.is(GOOD.as_bytes()));
        for other in ["", "example-token-012345678", "example-token-0123456780", "EXAMPLE-TOKEN-0123456789"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_bad_token_is_refused_and_not_shown() {
        let long = "x".repeat(5000);
        for bad in ["", "\n", "secret", "secret-secret-secret secret", "sécret-sécret-sécret-sécret", &long] {
            let error = Token::new(bad).unwrap_err().to_string();
            assert!(!error.contains("cret"), "{error}");
            assert!(error.contains("serve.token_file"), "{error}");
        }
    }

    #[test]
    fn a_file_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let error = Token::read(&path).unwrap_err().to_string();
        assert!(error.starts_with("serve.token_file: ") && error.contains("token: "), "{error}");
        std::fs::write(&path, format!("{GOOD}\n")).unwrap();
        assert!(Token::read(&path).unwrap().is(GOOD.as_bytes()));
        std::fs::write(&path, "short").unwrap();
        let error = Token::read(&path).unwrap_err().to_string();
        assert!(error.contains("shorter") && !error.contains("\"short\""), "{error}");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert!(Token::read(&path).unwrap_err().to_string().contains("longer"));
    }
}
