//! What the server is told when it begins, and what can be wrong with that.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Pulse, Token};

/// What the server is told when it begins.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token; needed off loopback, and for whatever starts something.
    pub token: Option<Token>,
    /// Further `Host` headers that are answered, e.g. `evidenced.example.com`; with a port, only with that port.
    pub hosts: Vec<String>,
    /// How much, and for how long.
    pub limits: Limits,
    /// Beaten by whatever has to make progress, and for how long it may be silent: `/livez` is 503 after that. Without
    /// one, `/livez` says only that this server answers.
    pub pulse: Option<(Arc<Pulse>, Duration)>,
}

impl ServeConfig {
    /// Listens here, with the usual limits, no token and no further hosts.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, token: None, hosts: Vec::new(), limits: Limits::default(), pulse: None }
    }
}

/// How much, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at once. When they are all taken, one that asks for nothing makes room.
    pub connections: usize,
    /// How long the head of a request may take; a connection that is kept alive is idle for no longer than that.
    pub head: Duration,
    /// How long a request may take from its head to its answer.
    pub request: Duration,
    /// How long a client may take to read an answer that does not fit into the system's buffers.
    pub write: Duration,
    /// Bytes of a request's body.
    pub body: usize,
    /// Questions to the desk that may wait for a disk or a store, at once.
    pub asks: usize,
    /// Questions that wait for their turn; further ones are answered 503.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(5),
            request: Duration::from_secs(10),
            write: Duration::from_secs(30),
            body: 16 << 10,
            asks: 2,
            waiting: 32,
        }
    }
}

/// Why the server does not begin, or does not take a new config.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen there.
    #[error("serve.listen: cannot listen on {listen}: {source}; stop what listens there, or name another port")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// It would tell everybody everything.
    #[error(
        "serve.token_file: {listen} is not loopback, and there is no token; name a file that holds one, \
         or listen on 127.0.0.1"
    )]
    NoToken {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// The token's file cannot be read.
    #[error("serve.token_file: {}: {source}; name a file that this user can read", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The token is none.
    #[error("serve.token_file: {what}; e.g. `openssl rand -hex 32` makes a good one")]
    BadToken {
        /// What is wrong with it; never the token.
        what: String,
    },
    /// A host is none.
    #[error(
        "serve.hosts: {host:?} is no host; write a name or an address, e.g. evidenced.example.com, without a scheme"
    )]
    Host {
        /// As it was written.
        host: String,
    },
    /// There is no thread to be had.
    #[error("the server's thread cannot be started: {0}")]
    Thread(io::Error),
}
