//! A client that sends what it is told, byte by byte, and reads what comes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use evidenced_serve::{Limits, ServeConfig, Server, ServerHandle, Token};

use crate::desk::StandIn;

pub(crate) const TOKEN: &str = "example-token-0123456789";

/// Longer than anything takes that does not hang.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that it is a problem, and gives its detail.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!((&body["type"], &body["status"]), (&"about:blank".into(), &self.status.into()));
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A server on a free port of loopback, with a token, and its desk.
pub(crate) fn server() -> (ServerHandle, Arc<StandIn>) {
    server_with(Limits::default())
}

pub(crate) fn server_with(limits: Limits) -> (ServerHandle, Arc<StandIn>) {
    let desk = Arc::new(StandIn::default());
    let config = ServeConfig { limits, token: Some(token()), ..ServeConfig::new(loopback()) };
    (Server::bind(config, Arc::clone(&desk) as _).unwrap(), desk)
}

pub(crate) fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

pub(crate) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub(crate) fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, server.address().port())).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream
}

/// Sends a request as it stands, on a connection of its own.
pub(crate) fn raw(server: &ServerHandle, request: &str) -> Reply {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    read(&mut stream, request.starts_with("HEAD ")).unwrap_or_else(|| panic!("no answer to {request}"))
}

/// Sends a request with a host of ours, these further headers and no body.
pub(crate) fn ask(server: &ServerHandle, method: &str, target: &str, headers: &[&str]) -> Reply {
    let headers = lines(headers);
    raw(server, &format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"))
}

pub(crate) fn get(server: &ServerHandle, target: &str) -> Reply {
    ask(server, "GET", target, &[])
}

/// Posts a JSON body with the token.
pub(crate) fn post(server: &ServerHandle, body: &str, headers: &[&str]) -> Reply {
    let headers = lines(headers);
    let head = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let length = body.len();
    raw(server, &format!("{head}Authorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
}

fn lines(headers: &[&str]) -> String {
    headers.iter().flat_map(|header| [header, "\r\n"]).collect()
}

/// Reads one answer; `None` if the connection ends without one.
pub(crate) fn read(stream: &mut TcpStream, head_only: bool) -> Option<Reply> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if head_only { 0 } else { length }];
    stream.read_exact(&mut body).ok()?;
    Some(Reply { status, headers, body: String::from_utf8(body).unwrap() })
}

/// Whether the other side has closed the connection, or does so before long.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1024]) {
        Ok(0) => true,
        Ok(_) => is_closed(stream),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
