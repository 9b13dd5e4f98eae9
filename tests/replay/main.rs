//! `evidenced-replay FOLDER WORLD`: the world on a free port of loopback, which it prints, until its input ends.
#![expect(clippy::print_stdout, reason = "whoever starts it reads the port")]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use evidenced_replay::{Server, World};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, world] = &arguments[..] else {
        eprintln!("usage: evidenced-replay FOLDER WORLD");
        return ExitCode::from(2);
    };
    let server = match Server::start(Arc::new(World::read(&PathBuf::from(folder), world))) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("loopback has no port: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", server.port());
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
