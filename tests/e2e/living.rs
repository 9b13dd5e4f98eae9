//! A daemon at work, for tests: how it is started, asked, told to end and killed, and what its log says afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use evidenced_model::Archive;
use evidenced_seal::log::EntryKind;
use evidenced_seal::{Log, PublicKey, PublicKeys};
use serde_json::Value;

use crate::support::Agent;

/// Nothing here takes longer, unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon at work.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Mutex<String>>,
}

impl Daemon {
    pub(crate) fn start(agent: &Agent) -> Self {
        Self::start_with(agent, &[])
    }

    pub(crate) fn start_with(agent: &Agent, arguments: &[&str]) -> Self {
        let mut command = agent.command(&["run", "--log-format", "json"]);
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, listening) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                if value["message"] == "listening" {
                    let _ = sender.send(value["address"].as_str().unwrap().parse().unwrap());
                }
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let address = listening.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", log.lock().unwrap()));
        Self { child, address, log }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, Value) {
        let answer = (|| -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            write!(stream, "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", self.address)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })();
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "")
    }

    /// Asks until it is so.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, so: impl Fn(u16, &Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let (status, body) = self.get(path);
            if so(status, &body) {
                return body;
            }
            assert!(begin.elapsed() < PATIENCE, "{path} stays {status} {body}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn codes(readiness: &Value) -> Vec<String> {
        let reasons = readiness["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A way to a server that can be closed: connections are cut, and new ones are refused.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) open: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicBool::new(true));
        let is_open = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                if !is_open.load(Ordering::Relaxed) {
                    continue;
                }
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    let is_open = Arc::clone(&is_open);
                    std::thread::spawn(move || {
                        let mut bytes = [0; 16 << 10];
                        while let Ok(read @ 1..) = from.read(&mut bytes) {
                            if !is_open.load(Ordering::Relaxed) || to.write_all(&bytes[..read]).is_err() {
                                break;
                            }
                        }
                        let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
                    });
                }
            }
        });
        Self { address, open }
    }

    pub(crate) fn set(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }
}

/// An agent with slots some seconds apart; `more` goes to the end of its config.
pub(crate) fn agent(endpoint: &str, seconds: u32, timeout: &str, more: &str) -> Agent {
    let agent = Agent::with_config(&format!(
        "agent: {{ id: test, state_dir: ./state, grace: 20s }}\n\
         targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {endpoint}\n\
         schedules:\n  - {{ name: quick, cron: \"*/{seconds} * * * * *\", jitter: 0s, timeout: {timeout}, collectors: [aws.kms] }}\n\
         serve: {{ listen: \"127.0.0.1:0\" }}\nseal: {{ key: \"file:./key.pem\" }}\n{more}"
    ));
    agent.run(&["keygen", "key.pem"]).expect(0);
    agent
}

pub(crate) const FOLDER: &str = "store: { url: ./evidence }\n";

/// What the log says of each slot, and that everything verifies.
pub(crate) fn accounted(agent: &Agent, archive: &dyn Archive) -> BTreeMap<jiff::Timestamp, Vec<EntryKind>> {
    agent.run(&["verify"]).expect(0);
    let keys = PublicKeys::from(&PublicKey::open(&agent.folder().join("key.pub.pem")).unwrap());
    let log = Log::new(archive, "test".parse().unwrap(), keys);
    let mut slots: BTreeMap<jiff::Timestamp, Vec<EntryKind>> = BTreeMap::new();
    for index in 0..=log.last_index().unwrap().unwrap() {
        let (statement, _) = log.entry(index).unwrap().unwrap();
        if let Some(slot) = statement.predicate.slot {
            slots.entry(slot.due).or_default().push(statement.predicate.kind);
        }
    }
    slots
}

#[track_caller]
pub(crate) fn every_slot_ended(slots: &BTreeMap<jiff::Timestamp, Vec<EntryKind>>, seconds: i64) {
    let (first, last) = (slots.keys().next().unwrap().as_second(), slots.keys().last().unwrap().as_second());
    let expected: Vec<i64> = (0..=(last - first) / seconds).map(|n| first + n * seconds).collect();
    assert_eq!(slots.keys().map(|slot| slot.as_second()).collect::<Vec<_>>(), expected, "no slot is forgotten");
    for (slot, kinds) in slots {
        let ends = [EntryKind::Run, EntryKind::Missed, EntryKind::Skipped];
        assert!(kinds.iter().any(|kind| ends.contains(kind)), "{slot}: {kinds:?}");
    }
}

pub(crate) fn folder_archive(agent: &Agent) -> Arc<dyn Archive> {
    let options = evidenced_store::Options::new(Arc::new(evidenced_model::FixedClock(jiff::Timestamp::UNIX_EPOCH)));
    evidenced_store::open_archive(&agent.store().display().to_string(), &options).unwrap()
}
