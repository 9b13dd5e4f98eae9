//! The endpoint over a desk in memory, for tools that test what a server promises: `stand_in [ADDRESS]`.
//!
//! Prints its port as the first line of standard output, and ends when standard input is closed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example that talks to whoever starts it")]

#[expect(dead_code, reason = "nobody troubles the desk here")]
#[path = "../tests/serve/desk.rs"]
mod desk;

use std::io::Read as _;
use std::sync::Arc;

use evidenced_serve::{ServeConfig, Server, Token};

fn main() {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut config = ServeConfig::new(listen.parse().unwrap());
    config.token = Some(Token::new("example-token-0123456789").unwrap());
    let server = Server::bind(config, Arc::new(desk::StandIn::default())).unwrap();
    println!("{}", server.address().port());
    _ = std::io::stdin().read_to_end(&mut Vec::new());
}
