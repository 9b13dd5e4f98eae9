//! The door: registry, command, exit code.

mod registry;

use std::process::ExitCode;

fn main() -> ExitCode {
    evidenced_agent::run(registry::clouds(), std::env::args_os()).into()
}
