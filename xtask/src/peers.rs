//! Servers that are not ours: started on a free port of loopback, and gone with whoever started them.

mod authority;
mod azure;
mod interchange;
mod stores;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::http;
use crate::venv::{Venv, run, workspace};
pub use authority::Certomancer;
pub use azure::{AzureModels, Issuer};
pub use interchange::Interchange;
pub use stores::{Azurite, FakeGcs, Ministack, Retaining, S3sFs};

/// A server that prints its port and ends when its standard input is closed.
#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start a test peer")?;
        let out = child.stdout.take().context("the peer has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let Ok(port) = line.trim().parse() else {
            let status = child.wait()?;
            bail!("a test peer ended with {status} before it named its port");
        };
        Ok(Self { child, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has nothing to finish, and must be gone when its port is used again. What runs it ends it first.
        let _ = self.child.wait();
    }
}

/// Our own server that answers as Azure does, from the vendor's example answers: `tests/replay`.
#[derive(Debug)]
pub struct Replay {
    server: Server,
}

impl Replay {
    /// Starts it with a world of `tests/replay/azure`. `program` is the built server.
    pub fn start(program: &Path, world: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(workspace().join("tests/replay/azure")).arg(world);
        Ok(Self { server: Server::start(command)? })
    }

    /// Queries of Resource Graph that came, that were refused for its quota, and that were refused one after the other.
    pub fn queries(&self) -> Result<[u64; 3]> {
        let counts = crate::http::expect(self.server.port, "GET", "/_replay/refused", &[], "")?;
        let counts: serde_json::Value = serde_json::from_str(&counts).context("read the server's counts")?;
        let count = |name: &str| counts[name].as_u64().with_context(|| format!("the server does not count {name}"));
        Ok([count("queries")?, count("refused")?, count("in_a_row")?])
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }
}

/// moto, an emulator of AWS: <https://github.com/getmoto/moto>. Nobody is refused until [`Moto::enforce`].
#[derive(Debug)]
pub struct Moto {
    server: Server,
    venv: Venv,
}

impl Moto {
    /// The emulator's own account.
    pub const ACCOUNT: &str = "123456789012";

    /// Starts it empty.
    pub fn start(venv: &Venv) -> Result<Self> {
        let server = Server::start(venv.script("moto_peer.py"))?;
        Ok(Self { server, venv: venv.clone() })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Fills it with a script of `tests/peers`, which is given the endpoint and these arguments.
    pub fn seed(&self, script: &str, arguments: &[&str]) -> Result<()> {
        run(self.venv.script(script).arg(self.url()).args(arguments), &format!("fill the emulator with {script}"))
    }

    /// Forgets everything.
    pub fn reset(&self) -> Result<()> {
        http::expect(self.port(), "POST", "/moto-api/reset", &[], "").map(|_| ())
    }

    /// Makes a user who may do everything, and gives its access key id and secret.
    pub fn create_user(&self, name: &str) -> Result<(String, String)> {
        self.iam("CreateUser", &[("UserName", name)])?;
        self.deny(name, &[])?;
        let answer = self.iam("CreateAccessKey", &[("UserName", name)])?;
        let part = |tag: &str| {
            let rest = answer.split_once(&format!("<{tag}>"))?.1;
            rest.split_once('<').map(|(value, _)| value.to_owned())
        };
        part("AccessKeyId").zip(part("SecretAccessKey")).context("the emulator gave no access key")
    }

    /// Lets a user do everything but these actions. Enforcement must be off.
    pub fn deny(&self, user: &str, actions: &[&str]) -> Result<()> {
        let mut statements = vec![json!({"Effect": "Allow", "Action": "*", "Resource": "*"})];
        if !actions.is_empty() {
            statements.push(json!({"Effect": "Deny", "Action": actions, "Resource": "*"}));
        }
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let arguments = [("UserName", user), ("PolicyName", "test"), ("PolicyDocument", &document)];
        self.iam("PutUserPolicy", &arguments).map(|_| ())
    }

    /// From now on signatures are checked and policies obeyed; or no longer.
    pub fn enforce(&self, on: bool) -> Result<()> {
        let after = if on { "0" } else { "inf" };
        http::expect(self.port(), "POST", "/moto-api/reset-auth", &[("Content-Type", "text/plain")], after).map(|_| ())
    }

    fn iam(&self, action: &str, arguments: &[(&str, &str)]) -> Result<String> {
        let fixed = [("Action", action), ("Version", "2010-05-08")];
        let pairs = fixed.iter().chain(arguments).map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let scope = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLEEXAMPLE00/20260101/us-east-1/iam/aws4_request, \
                     SignedHeaders=host, Signature=none";
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", scope)];
        http::expect(self.port(), "POST", "/", &headers, &body)
    }
}

/// A proxy before an endpoint that spoils single operations; see `tests/peers/deny_proxy.py`.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
}

impl Proxy {
    /// Starts it before a port of loopback, without rules.
    pub fn start(venv: &Venv, upstream: u16) -> Result<Self> {
        let mut command = venv.script("deny_proxy.py");
        command.arg(format!("127.0.0.1:{upstream}"));
        Ok(Self { server: Server::start(command)? })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Replaces the rules (operation, what to do) and begins to count anew.
    pub fn rules(&self, rules: &[(&str, &str)]) -> Result<()> {
        let rules: serde_json::Map<String, Value> =
            rules.iter().map(|(call, what)| ((*call).to_owned(), Value::from(*what))).collect();
        let body = Value::from(rules).to_string();
        http::expect(self.server.port, "PUT", "/_proxy/rules", &[], &body).map(|_| ())
    }

    /// How often each operation was asked for since the rules were set.
    pub fn seen(&self) -> Result<std::collections::BTreeMap<String, u64>> {
        let body = http::expect(self.server.port, "GET", "/_proxy/seen", &[], "")?;
        Ok(serde_json::from_str(&body)?)
    }

    /// Comes back when the operation has been asked for, or fails after a minute.
    pub fn await_call(&self, call: &str) -> Result<()> {
        http::expect(self.server.port, "GET", &format!("/_proxy/await/{call}"), &[], "").map(|_| ())
    }
}

/// securesystemslib, somebody else's implementation of DSSE.
#[derive(Debug)]
pub struct Dsse {
    venv: Venv,
}

impl Dsse {
    /// Over an environment that holds it.
    pub fn new(venv: Venv) -> Self {
        Self { venv }
    }

    /// Verifies an envelope with a public key; the subjects inside as `name sha256` lines, or what it said against it.
    pub fn verify(&self, envelope: &Path, key: &Path) -> Result<Result<String, String>> {
        let output = self.venv.script("dsse_check.py").args([envelope, key]).output().context("start dsse_check.py")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
    }
}

/// Percent-encodes a form value.
fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_values_are_encoded() {
        assert_eq!(encode("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encode("{\"a\": *}é"), "%7B%22a%22%3A%20%2A%7D%C3%A9");
    }
}
