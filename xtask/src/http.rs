//! One plain HTTP request to a server on loopback: enough for the control doors of the test peers.

use std::io::{BufWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// An answer's status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Sends one request to a port of loopback and reads the whole answer.
pub fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("connect to port {port}"))?;
    stream.set_read_timeout(Some(Duration::from_mins(2)))?;
    let mut stream = BufWriter::new(stream);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()?;
    let mut answer = String::new();
    stream.get_mut().read_to_string(&mut answer).with_context(|| format!("read the answer to {method} {path}"))?;
    parse(&answer).with_context(|| format!("{method} {path} on port {port}"))
}

/// Sends one request and expects a 2xx.
pub fn expect(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<String> {
    let answer = send(port, method, path, headers, body)?;
    if !(200..300).contains(&answer.status) {
        bail!("{method} {path} on port {port} answered {}: {}", answer.status, answer.body);
    }
    Ok(answer.body)
}

fn parse(answer: &str) -> Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no status")?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse("HTTP/1.1 204 No Content\r\nA: b\r\n\r\nbody").unwrap();
        assert_eq!(answer, Answer { status: 204, body: "body".into() });
        assert!(parse("HTTP/1.1 204").is_err());
        assert!(parse("nonsense\r\n\r\n").is_err());
    }
}
