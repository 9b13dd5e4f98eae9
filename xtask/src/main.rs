//! `cargo xtask demo | test | bench | ci | deny-matrix | crash-matrix | soak | deploy | pages | peers`: what a newcomer runs, and what holds the house together.
#![expect(clippy::print_stdout, reason = "a tool for people at a terminal")]

mod bench;
mod ci;
mod crash;
mod demo;
mod deploy;
mod pages;
mod soak;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo          starts an AWS emulator, fills it with a small company, collects, verifies and reports;
                          --cloud azure in place of it a server with the vendor's example answers, --cloud all both
cargo xtask test          sets up every test peer and runs all tests
cargo xtask deny-matrix   denies every AWS operation once and shows what that costs
cargo xtask crash-matrix  ends the program at every named place, and shows that nothing is lost; or only at those
                          whose names begin with one of the arguments
cargo xtask soak [SEED]   ten simulated weeks of the daemon with outages, jumping clocks and kills; nothing may be lost
cargo xtask deploy        holds what stands in deploy/ against helm, Kubernetes' schemas, promtool and their like
cargo xtask pages         walks the report's file and the daemon's pages in Chromium, and holds them against axe-core
cargo xtask bench [PART]  measures a release build and holds the figures against their bars
cargo xtask ci            formatting, clippy, cargo-deny, and all tests
cargo xtask peers         sets up the test peers only";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &arguments[..] {
        ["demo"] => demo::run(demo::Clouds::Aws),
        ["demo", "--cloud", name] => demo::Clouds::parse(name).and_then(demo::run),
        ["test"] => test::run(),
        ["deny-matrix"] => test::deny_matrix(),
        ["crash-matrix", places @ ..] => crash::run(places),
        ["deploy"] => deploy::run(),
        ["pages"] => pages::run(false),
        ["soak"] => soak::run(None),
        ["soak", seed] => soak::run(Some(seed)),
        ["bench", parts @ ..] => bench::run(parts),
        ["ci"] => ci::run(),
        ["peers"] => test::peers(),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(if matches!(arguments[..], ["help" | "--help" | "-h"]) { 0 } else { 2 });
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
