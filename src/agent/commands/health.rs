//! `evidenced health`: asks the daemon on this machine whether it lives, without anything that a container lacks.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Context;
use crate::args;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;

/// The longest that any part of the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer is longer.
const LONGEST: u64 = 64 << 10;

pub(crate) fn run(context: &Context, options: &args::Health) -> Result<Exit, Ended> {
    let address = match options.address {
        Some(address) => address,
        None => nearest(context.load()?.config.serve.listen),
    };
    let path = if options.ready { "/readyz" } else { "/livez" };
    let not = |what: String| Ended::new(Exit::Findings, format!("http://{address}{path}: {what}"));
    let (status, body) = ask(address, path).map_err(|error| not(format!("no answer: {error}")))?;
    if status != 200 {
        return Err(not(format!("{status}: {}", body.trim().escape_debug())));
    }
    let mut lines = Lines::new();
    if !context.common.quiet {
        lines.text(if options.ready { "evidence is in time" } else { "the daemon lives" })?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

/// Where something that listens everywhere is reached on the same machine.
fn nearest(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status and the body of an answer.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("it does not speak HTTP"))?;
    Ok((status, body.to_owned()))
}
