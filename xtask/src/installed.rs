//! Test peers that are no Python packages: from npm, and from crates.io. Pinned in `tests/peers/<name>.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::venv::{run, workspace};

/// A package of npm, with what it depends on; gives its folder.
pub fn npm(target: &Path, name: &str) -> Result<PathBuf> {
    Ok(npm_prefix(target, name)?.join("node_modules").join(name))
}

/// A package of npm, with what it depends on and nothing that it only gets along with; gives the folder that it was
/// installed below.
pub fn npm_prefix(target: &Path, name: &str) -> Result<PathBuf> {
    ensure(target, name, |folder, package| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.args(["--legacy-peer-deps", "--prefix"]).arg(folder).arg(package);
        run(npm.current_dir(folder), &format!("install {package} from npm"))
    })
}

/// Prometheus' own tool, from Debian's package and without its server; gives the program.
pub fn promtool(target: &Path) -> Result<PathBuf> {
    let folder = ensure(target, "prometheus", |folder, package| {
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            run(apt.args(arguments).current_dir(folder), &format!("apt-get {}", arguments.join(" ")))
        };
        if apt(&["--quiet", "--quiet", "download", package]).is_err() {
            apt(&["--quiet", "--quiet", "update"])?;
            apt(&["--quiet", "--quiet", "download", package])?;
        }
        let mut packages = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let package = packages.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
        let package = package.context("apt-get has downloaded nothing")?;
        run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder), "unpack Debian's prometheus")?;
        fs::remove_file(package).context("remove what is not needed any more")
    })?;
    Ok(folder.join("usr/bin/promtool"))
}

/// A program from crates.io; gives its path.
pub fn cargo(target: &Path, name: &str, features: &str) -> Result<PathBuf> {
    let folder = ensure(target, name, |folder, package| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["install", "--quiet", "--locked", "--debug", "--features", features, package, "--root"])
            .arg(folder);
        // The compiler of this cargo: a package's own folder may ask rustup for one that is not there.
        let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
        if rustc.is_file() {
            cargo.env("RUSTC", rustc);
        }
        // Another target folder than ours, which the cargo that runs us may have locked.
        let build = folder.join("build");
        cargo.env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "false").current_dir(folder);
        run(&mut cargo, &format!("install {package} from crates.io"))?;
        fs::remove_dir_all(&build).context("remove what is not needed any more")
    })?;
    Ok(folder.join("bin").join(name))
}

/// The folder of a peer, filled first where its pin is new.
fn ensure(target: &Path, name: &str, install: impl FnOnce(&Path, &str) -> Result<()>) -> Result<PathBuf> {
    let list = workspace().join("tests/peers").join(format!("{name}.txt"));
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let folder = target.join("peers").join(name);
    let made_from = folder.join("made-from.txt");
    let is_made = || fs::read_to_string(&made_from).is_ok_and(|made| made == wanted);
    if is_made() {
        return Ok(folder);
    }
    fs::create_dir_all(target.join("peers"))?;
    // Tests run beside each other; the first one makes it.
    let lock = fs::File::create(target.join("peers").join(format!("{name}.lock")))?;
    lock.lock().context("wait for another process that installs it")?;
    if is_made() {
        return Ok(folder);
    }
    eprintln!("setting up {name} under {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("clear {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    install(&folder, wanted.trim())?;
    fs::write(&made_from, wanted).with_context(|| format!("write {}", made_from.display()))?;
    Ok(folder)
}
