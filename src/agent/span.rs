//! A length of time as people write it: `5m`, `1h 30m`, `25s`.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same for calculating with moments.
    pub fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.signed())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Self::from_secs(seconds)),
            Written::Text(text) => {
                let span = text.trim().parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
                let wrong = || de::Error::custom(format!("{text:?} is no length of time; e.g. 5m, 1h 30m or 25s"));
                span.map(Self).ok_or_else(wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in [("\"5m\"", 300), ("\"1h 30m\"", 5400), ("25", 25), ("\"25s\"", 25), ("\"0s\"", 0)] {
            let span: Span = serde_json::from_str(text).unwrap();
            assert_eq!(span, Span::from_secs(seconds), "{text}");
            let again = serde_json::to_string(&span).unwrap();
            assert_eq!(serde_json::from_str::<Span>(&again).unwrap(), span, "{again}");
        }
        for text in ["\"soon\"", "\"-5m\"", "\"5\"", "-1", "null"] {
            assert!(serde_json::from_str::<Span>(text).is_err(), "{text}");
        }
    }
}
