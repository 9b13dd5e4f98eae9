//! Who may come in: the `Host`, the `Origin` and the token of a request.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, StatusCode, Uri};

use crate::host::{Authority, Host};
use crate::problem::Problem;
use crate::{ServeError, Token};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may come in. A new one takes its place when the config changes.
#[derive(Debug)]
pub(crate) struct Door {
    /// Whether only this machine can come here at all.
    loopback: bool,
    token: Option<Token>,
    hosts: Vec<Authority>,
}

impl Door {
    /// Off loopback there is no door without a token.
    pub(crate) fn new(listen: SocketAddr, token: Option<Token>, hosts: &[String]) -> Result<Self, ServeError> {
        let loopback = listen.ip().to_canonical().is_loopback();
        if !loopback && token.is_none() {
            return Err(ServeError::NoToken { listen });
        }
        let host = |text: &String| Authority::parse(text).ok_or_else(|| ServeError::Host { host: text.clone() });
        Ok(Self { loopback, token, hosts: hosts.iter().map(host).collect::<Result<_, _>>()? })
    }

    /// Whether everything but probes and metrics needs the token.
    pub(crate) fn is_guarded(&self) -> bool {
        !self.loopback
    }

    /// Turns away whoever calls us by a name that is not ours: a page of somebody else whose name was pointed here.
    ///
    /// `local` is the address that the connection came in at. Probes and scrapers from elsewhere (`open`) call us by
    /// whatever address we have for them; that takes nobody's name, so nothing can be rebound.
    pub(crate) fn host(&self, headers: &HeaderMap, uri: &Uri, local: IpAddr, open: bool) -> Result<Authority, Problem> {
        let mut given = headers.get_all(HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            return Err(Problem::wrong("The request needs one Host header, and no second one."));
        };
        let parse = |text: &str| Authority::parse(text).ok_or_else(|| Problem::wrong("The Host header is malformed."));
        let host = parse(host.to_str().unwrap_or_default())?;
        let called = uri.authority().map(|authority| parse(authority.as_str())).transpose()?;
        for authority in [Some(&host), called.as_ref()].into_iter().flatten() {
            if !self.knows(authority, local, open) {
                return Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "This is not the host that the request is for; if it is, name it in serve.hosts.",
                ));
            }
        }
        Ok(called.unwrap_or(host))
    }

    fn knows(&self, authority: &Authority, local: IpAddr, open: bool) -> bool {
        let ours = match &authority.host {
            Host::Address(address) => *address == local.to_canonical() || (open && !self.loopback),
            Host::Name(_) => false,
        };
        let named = |own: &Authority| own.host == authority.host && (own.port.is_none() || own.port == authority.port);
        ours || authority.host.is_loopback() || self.hosts.iter().any(named)
    }

    /// Turns away what a page of somebody else asks for in its reader's name.
    pub(crate) fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
        let own = |origin: &str| {
            let (scheme, authority) = origin.split_once("://")?;
            let authority = Authority::parse(authority)?;
            // A proxy that ends TLS leaves the port out on one side.
            let port = |port: Option<u16>| port.unwrap_or(if scheme == "https" { 443 } else { 80 });
            let same = authority.host == host.host && port(authority.port) == port(host.port);
            (matches!(scheme, "http" | "https") && same).then_some(())
        };
        let from_elsewhere = headers.get_all(ORIGIN).iter().any(|origin| origin.to_str().ok().and_then(own).is_none());
        let cross_site = |site: &http::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
        if from_elsewhere || headers.get_all(SEC_FETCH_SITE).iter().any(cross_site) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "Another site's page may not ask for this."));
        }
        Ok(())
    }

    /// Asks for the token.
    pub(crate) fn token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "This needs a token, and there is none: name a file that holds one in serve.token_file.",
            ));
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(header), None) = (given.next(), given.next()) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "This needs the header Authorization: Bearer <token>."));
        };
        let right = match header.as_bytes().split_at_checked(7) {
            Some((scheme, given)) => scheme.eq_ignore_ascii_case(b"bearer ") && token.is(given.trim_ascii()),
            None => false,
        };
        if right { Ok(()) } else { Err(Problem::new(StatusCode::UNAUTHORIZED, "This is not the token.")) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn door(listen: &str, hosts: &[&str]) -> Door {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let token = Token::new("example-token-0123456789").unwrap();
        Door::new(listen.parse().unwrap(), Some(token), &hosts).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn off_loopback_there_is_no_door_without_a_token() {
        let door = |listen: &str| Door::new(listen.parse().unwrap(), None, &[]);
        for listen in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
            assert!(door(listen).unwrap_err().to_string().contains("serve.token_file"), "{listen}");
        }
        for listen in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(!door(listen).unwrap().is_guarded(), "{listen}");
        }
        let host = Door::new("127.0.0.1:1".parse().unwrap(), None, &["http://example.com".into()]).unwrap_err();
        assert!(host.to_string().contains("serve.hosts"), "{host}");
    }

    #[test]
    fn hosts() {
        let known = |door: &Door, host: &str, open: bool| {
            door.knows(&Authority::parse(host).unwrap(), "192.0.2.1".parse().unwrap(), open)
        };
        let inside = door("127.0.0.1:1", &["Evidenced.example.com", "example.com:8443"]);
        for host in ["localhost", "localhost:99", "127.0.0.1", "127.3.2.1:5", "[::1]", "evidenced.EXAMPLE.com:1"] {
            assert!(known(&inside, host, false), "{host}");
        }
        assert!(known(&inside, "example.com:8443", false));
        for host in
            ["example.com", "example.com:1", "attacker.example.com", "198.51.100.7", "0.0.0.0", "localhost.example"]
        {
            assert!(!known(&inside, host, true), "{host}");
        }
        let outside = door("0.0.0.0:1", &[]);
        assert!(known(&outside, "192.0.2.1:8787", false), "the address that the connection came in at");
        assert!(!known(&outside, "198.51.100.7", false));
        assert!(known(&outside, "198.51.100.7", true), "a probe's address for us");
        assert!(!known(&outside, "attacker.example.com", true));
    }

    #[test]
    fn a_target_with_a_host_is_held_to_it_too() {
        let door = door("127.0.0.1:1", &[]);
        let local = "127.0.0.1".parse().unwrap();
        let host = |pairs: &[_], uri: &str| door.host(&headers(pairs), &uri.parse().unwrap(), local, false);
        assert!(host(&[("host", "localhost")], "http://127.0.0.1/livez").is_ok());
        assert!(host(&[("host", "localhost")], "http://example.com/livez").is_err());
        assert!(host(&[("host", "localhost")], "http://user@localhost/livez").is_err());
        assert!(host(&[("host", "example.com")], "http://localhost/livez").is_err());
        assert!(host(&[], "http://localhost/livez").is_err());
        assert!(host(&[("host", "localhost"), ("host", "localhost")], "/livez").is_err());
    }

    #[test]
    fn origins() {
        let host = Authority::parse("localhost:8787").unwrap();
        let origin = |pairs: &[_]| Door::origin(&headers(pairs), &host).is_ok();
        assert!(origin(&[]));
        assert!(origin(&[("origin", "http://localhost:8787"), ("sec-fetch-site", "same-origin")]));
        for elsewhere in
            ["null", "http://localhost", "http://localhost:8788", "http://example.com:8787", "file://localhost:8787"]
        {
            assert!(!origin(&[("origin", elsewhere)]), "{elsewhere}");
        }
        assert!(!origin(&[("sec-fetch-site", "cross-site")]));
        assert!(!origin(&[("sec-fetch-site", "same-site")]));
        let proxied = Authority::parse("evidenced.example.com").unwrap();
        assert!(Door::origin(&headers(&[("origin", "https://evidenced.example.com")]), &proxied).is_ok());
    }

    #[test]
    fn tokens() {
        let door = door("127.0.0.1:1", &[]);
        let right = |value: &'static str| door.token(&headers(&[("authorization", value)])).is_ok();
        assert!(right("Bearer example-token-0123456789"));
        assert!(right("bearer  example-token-0123456789"));
        for wrong in
            ["", "Bearer", "Bearer ", "Basic example-token-0123456789", "example-token-0123456789", "Bearer example"]
        {
            assert!(!right(wrong), "{wrong}");
        }
        let twice = ("authorization", "Bearer example-token-0123456789");
        assert!(door.token(&headers(&[twice, twice])).is_err());
    }
}
