//! Who comes in: hosts, origins and tokens, on loopback and off it.

use std::net::SocketAddr;
use std::sync::Arc;

use evidenced_serve::{ServeConfig, ServeError, Server, ServerHandle, Token};

use crate::client::{TOKEN, ask, get, loopback, post, raw, server, token};
use crate::desk::StandIn;

/// A server that listens on every address, as in a container.
fn outside(hosts: &[&str]) -> ServerHandle {
    let mut config = ServeConfig::new(SocketAddr::from(([0, 0, 0, 0], 0)));
    config.token = Some(token());
    config.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    Server::bind(config, Arc::new(StandIn::default())).unwrap()
}

fn from(server: &ServerHandle, host: &str, target: &str, headers: &str) -> u16 {
    raw(server, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")).status
}

#[test]
fn on_loopback_only_starting_needs_the_token() {
    let (server, desk) = server();
    for target in ["/", "/api/v1/status", "/api/v1/runs", "/api/v1/openapi.json", "/metrics"] {
        assert_eq!(get(&server, target).status, 200, "{target}");
    }
    for header in [
        "X-Nothing: here",
        "Authorization: Bearer example-token-0123456780",
        "Authorization: Bearer ",
        "Authorization: Basic ZXhhbXBsZTpleGFtcGxl",
        "Authorization: example-token-0123456789",
    ] {
        let refused = ask(&server, "POST", "/api/v1/runs", &[header]);
        assert_eq!(refused.status, 401, "{header}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused:?}");
        assert!(!refused.problem().contains("example"), "nothing of a token is told");
    }
    assert!(desk.started.lock().unwrap().is_empty());
    assert_eq!(post(&server, "", &[]).status, 202);
}

#[test]
fn without_a_token_nothing_is_started() {
    let server = Server::bind(ServeConfig::new(loopback()), Arc::new(StandIn::default())).unwrap();
    let refused = post(&server, "", &[]);
    assert_eq!(refused.status, 403);
    assert!(refused.problem().contains("serve.token_file"));
    assert_eq!(get(&server, "/api/v1/status").status, 200);
}

#[test]
fn off_loopback_everything_but_probes_needs_it() {
    let without = ServeConfig::new(SocketAddr::from(([0, 0, 0, 0], 0)));
    let error = Server::bind(without, Arc::new(StandIn::default())).unwrap_err();
    assert!(matches!(error, ServeError::NoToken { .. }) && error.to_string().contains("serve.token_file"), "{error}");

    let server = outside(&[]);
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(&server, target).status, 200, "{target}");
    }
    let closed = ["/", "/api/v1/status", "/api/v1/runs", "/api/v1/controls", "/api/v1/openapi.json", "/nothing"];
    for target in closed {
        assert_eq!(get(&server, target).status, 401, "{target}");
        let with = ask(&server, "GET", target, &[&format!("Authorization: Bearer {TOKEN}")]).status;
        assert_eq!(with, if target == "/nothing" { 404 } else { 200 }, "{target}");
    }
    assert_eq!(ask(&server, "PUT", "/api/v1/status", &[]).status, 401, "methods are nobody's business either");
    assert_eq!(post(&server, "", &[]).status, 202);
}

#[test]
fn somebody_elses_host_is_turned_away() {
    let (server, _) = server();
    let port = server.address().port();
    for ours in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3", "[::1]:80", &format!("127.0.0.1:{port}")] {
        assert_eq!(from(&server, ours, "/livez", ""), 200, "{ours}");
    }
    for foreign in ["attacker.example.com", "localhost.example.com", "192.0.2.1", "0.0.0.0", "127.0.0.1.example.com"] {
        for target in ["/livez", "/", "/api/v1/status", "/nothing"] {
            assert_eq!(from(&server, foreign, target, ""), 421, "{foreign} {target}");
        }
    }
    for malformed in ["", "a b", "http://localhost", "localhost/", "[::1", "localhost:99999", "user@localhost"] {
        assert_eq!(from(&server, malformed, "/livez", ""), 400, "{malformed}");
    }
    assert_eq!(raw(&server, "GET /livez HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(raw(&server, "GET /livez HTTP/1.0\r\n\r\n").status, 400);
    assert_eq!(from(&server, "localhost", "/livez", "Host: localhost\r\n"), 400);
    assert_eq!(from(&server, "localhost", "/livez", "Host: attacker.example.com\r\n"), 400);
    assert_eq!(from(&server, "localhost", "http://attacker.example.com/livez", ""), 421);
    assert_eq!(from(&server, "localhost", "http://localhost/livez", ""), 200);
}

#[test]
fn a_probe_calls_by_address_and_a_browser_by_a_name_that_is_listed() {
    let server = outside(&["evidenced.example.com"]);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(from(&server, "192.0.2.7:8787", target, ""), 200, "a pod's address");
        assert_eq!(from(&server, "[2001:db8::7]:8787", target, ""), 200);
        assert_eq!(from(&server, "attacker.example.com", target, ""), 421);
    }
    assert_eq!(from(&server, "192.0.2.7:8787", "/api/v1/status", &bearer), 421);
    assert_eq!(from(&server, "evidenced.example.com", "/api/v1/status", &bearer), 200);
    assert_eq!(from(&server, "evidenced.example.com", "/api/v1/status", ""), 401);
}

#[test]
fn another_sites_page_starts_nothing() {
    let (server, desk) = server();
    for header in
        ["Origin: http://example.com", "Origin: null", "Origin: http://localhost:1", "Sec-Fetch-Site: cross-site"]
    {
        assert_eq!(post(&server, "", &[header]).status, 403, "{header}");
    }
    assert!(desk.started.lock().unwrap().is_empty());
    assert_eq!(post(&server, "", &["Origin: http://localhost", "Sec-Fetch-Site: same-origin"]).status, 202);
}

#[test]
fn another_token_and_other_hosts_take_effect_at_once() {
    let server = outside(&[]);
    let other = "another-token-9876543210";
    server.reload(Some(Token::new(other).unwrap()), &["new.example.com".into()]).unwrap();
    assert_eq!(post(&server, "", &[]).status, 401);
    let bearer = format!("Authorization: Bearer {other}\r\n");
    assert_eq!(from(&server, "new.example.com", "/api/v1/status", &bearer), 200);
    assert!(server.reload(None, &[]).is_err(), "off loopback a token stays");
    assert!(server.reload(Some(token()), &["https://new.example.com".into()]).is_err());
    assert_eq!(from(&server, "new.example.com", "/api/v1/status", &bearer), 200, "what was refused changes nothing");
}

#[test]
fn a_place_that_is_taken_is_named() {
    let (server, _) = server();
    let error = Server::bind(ServeConfig::new(server.address()), Arc::new(StandIn::default())).unwrap_err().to_string();
    assert!(error.starts_with("serve.listen: ") && error.contains(&server.address().to_string()), "{error}");
}
