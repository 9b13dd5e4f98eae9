//! The paths that there are. None of them is a file.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// A longer target is refused unread.
pub(crate) const LONGEST_TARGET: usize = 8 << 10;

/// A path that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Live,
    Ready,
    Metrics,
    Status,
    Runs,
    Run,
    Controls,
    Control,
    Findings,
    OpenApi,
    Page(Page),
}

/// A page for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Overview,
    Controls,
    /// Its parameter is `{catalog}/{control}`.
    Control,
    Checks,
    Findings,
    Finding,
    Timeline,
    Coverage,
    Trust,
}

impl Route {
    /// The route of a path, with what of it is a parameter, undecoded: its last segment, or its last two.
    pub(crate) fn of(path: &str) -> Option<(Self, &str)> {
        let route = match path {
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/api/v1/status" => Self::Status,
            "/api/v1/runs" => Self::Runs,
            "/api/v1/controls" => Self::Controls,
            "/api/v1/findings" => Self::Findings,
            "/api/v1/openapi.json" => Self::OpenApi,
            "/" => Self::Page(Page::Overview),
            "/controls" => Self::Page(Page::Controls),
            "/checks" => Self::Page(Page::Checks),
            "/findings" => Self::Page(Page::Findings),
            "/finding" => Self::Page(Page::Finding),
            "/timeline" => Self::Page(Page::Timeline),
            "/coverage" => Self::Page(Page::Coverage),
            "/trust" => Self::Page(Page::Trust),
            _ => {
                if let Some(both) = path.strip_prefix("/controls/") {
                    let whole = |(catalog, control): &(&str, &str)| !catalog.is_empty() && !control.is_empty();
                    let (_, control) = both.split_once('/').filter(whole)?;
                    return (!control.contains('/')).then_some((Self::Page(Page::Control), both));
                }
                let (folder, segment) = path.rsplit_once('/')?;
                let route = match folder {
                    "/api/v1/runs" => Self::Run,
                    "/api/v1/controls" => Self::Control,
                    _ => return None,
                };
                return (!segment.is_empty()).then_some((route, segment));
            }
        };
        Some((route, ""))
    }

    /// Whether probes and scrapers may come without a token from anywhere.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Metrics)
    }

    /// Its methods, as an `Allow` header lists them.
    pub(crate) fn allowed(self) -> &'static str {
        if self == Self::Runs { "GET, HEAD, POST" } else { "GET, HEAD" }
    }

    /// Whether the method is one of its own.
    pub(crate) fn allows(self, method: &Method) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// The text of a percent-encoded piece of a target.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    // A per cent sign that begins nothing is no encoding, and stands for no one thing.
    let whole =
        text.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    if !whole {
        return Err(Problem::wrong("The address has a per cent sign without two hexadecimal digits after it."));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| Problem::wrong("The address is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        assert_eq!(Route::of("/"), Some((Route::Page(Page::Overview), "")));
        assert_eq!(Route::of("/controls/c/A.8.24"), Some((Route::Page(Page::Control), "c/A.8.24")));
        assert_eq!(Route::of("/api/v1/runs/x"), Some((Route::Run, "x")));
        assert_eq!(Route::of("/api/v1/controls/A.8.24"), Some((Route::Control, "A.8.24")));
        for none in [
            "",
            "*",
            "//",
            "/livez/",
            "/LIVEZ",
            "/api",
            "/api/v1",
            "/api/v1/",
            "/api/v1/runs/",
            "/api/v1/runs/a/b",
            "/api/v1/../v1/runs",
            "/../../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/.git/config",
            "/api/v1//runs",
            "/./livez",
            "/livez%00",
            "/metrics;x",
            "example.com:443",
            "/controls/",
            "/controls/c",
            "/controls/c/",
            "/controls//x",
            "/controls/a/b/c",
            "/findings/",
        ] {
            assert_eq!(Route::of(none), None, "{none}");
        }
    }

    #[test]
    fn encodings() {
        assert_eq!(decode("A%2e8").unwrap(), "A.8");
        assert_eq!(decode("%E2%82%AC").unwrap(), "€");
        for bad in ["%", "a%2", "%zz", "%ff", "%c0%ae", "%%41"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(path in "\\PC{0,60}|(/|\\.|%2[eEfF]|%00|api|v1|runs|controls|livez){0,12}") {
            if let Some((route, segment)) = Route::of(&path) {
                prop_assert!(segment.matches('/').count() <= usize::from(route == Route::Page(Page::Control)));
                prop_assert!(route.allows(&Method::GET));
                prop_assert!(path.ends_with(segment));
            }
            if let Ok(text) = decode(&path) && !path.contains('%') {
                prop_assert_eq!(text, path.as_str());
            }
        }
    }
}
