//! Private Python environments under the target folder, made once for each list of pinned packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A private environment that holds the packages of `tests/peers/<name>.txt`.
#[derive(Debug, Clone)]
pub struct Venv {
    python: PathBuf,
}

impl Venv {
    /// The environment, made first where it is not there yet or its list has changed.
    pub fn ensure(target: &Path, name: &str) -> Result<Self> {
        let venv = Self { python: folder(target, name).join("bin/python") };
        let list = list(name);
        let wanted = fs::read(&list).with_context(|| format!("read {}", list.display()))?;
        let folder = folder(target, name);
        let made_from = folder.join("made-from.txt");
        if fs::read(&made_from).is_ok_and(|made| made == wanted) {
            return Ok(venv);
        }
        eprintln!("setting up {name} under {}", folder.display());
        fs::create_dir_all(target.join("peers"))?;
        // Tests run beside each other; the first one makes it.
        let lock = fs::File::create(target.join("peers").join(format!("{name}.lock")))?;
        lock.lock().context("wait for another process that makes the environment")?;
        if fs::read(&made_from).is_ok_and(|made| made == wanted) {
            return Ok(venv);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("clear {}", folder.display()))?;
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder), "make a virtual environment")?;
        let mut pip = Command::new(&venv.python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&list);
        run(&mut pip, "install the pinned packages")?;
        fs::write(&made_from, wanted).with_context(|| format!("write {}", made_from.display()))?;
        Ok(venv)
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        self.python.clone()
    }

    /// A command that runs a script of `tests/peers` in this environment.
    pub fn script(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(workspace().join("tests/peers").join(script));
        command
    }
}

/// Runs a command to its end and expects it to succeed.
pub fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("{what}: start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("could not {what}: `{}` ended with {status}", command.get_program().display());
    }
    Ok(())
}

fn folder(target: &Path, name: &str) -> PathBuf {
    target.join("peers").join(name)
}

fn list(name: &str) -> PathBuf {
    workspace().join("tests/peers").join(format!("{name}.txt"))
}
