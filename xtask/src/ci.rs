//! `cargo xtask ci`: what every change has to pass.

use anyhow::Result;
use xtask::venv;

use crate::tools::{cargo, works};
use crate::{deploy, pages, test};

/// Formatting, lints, dependencies, tests.
pub(crate) fn run() -> Result<()> {
    step("formatting", &["fmt", "--all", "--check"])?;
    step("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    if works(&mut cargo(&["deny", "--version"])) {
        step("dependencies", &["deny", "--offline", "check", "bans", "licenses", "sources"])?;
    } else {
        println!("dependencies: not checked, as cargo-deny is not installed");
    }
    test::run()?;
    println!("deployment");
    deploy::run()?;
    println!("pages");
    pages::run(false)
}

fn step(name: &str, arguments: &[&str]) -> Result<()> {
    println!("{name}: cargo {}", arguments.join(" "));
    venv::run(&mut cargo(arguments), &format!("pass {name}"))
}
