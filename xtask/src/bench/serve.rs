//! What the daemon costs while it does nothing, how soon it answers, and how it answers while a run is on.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use xtask::venv::{Venv, workspace};

use super::{Bench, Board};
use crate::demo::emulated;

/// Resources of the run that is on meanwhile.
const RESOURCES: u64 = 100_000;
/// Requests a second.
const RATE: u64 = 2000;
/// Connections that share them.
const CLIENTS: u64 = 8;
/// Runs of each kind that are compared.
const ROUNDS: usize = 5;
const TOKEN: &str = "an-example-token";

pub(super) fn run(evidenced: &Path, synthetic: &Path, folder: &Path, venv: &Venv, board: &mut Board) -> Result<()> {
    println!("\nthe daemon");
    let megabytes = fs::metadata(evidenced)?.len() as f64 / 1_048_576.0;
    board.line("the program, static", megabytes, "MiB", Some(45.0));
    ensure!(is_static(evidenced)?, "{} is not static", evidenced.display());
    let bench = Bench::new(evidenced, &folder.join("serve"), venv)?;
    configure(&bench, "aws: { regions: [eu-central-1], endpoint_url: \"http://127.0.0.1:9\" }", "")?;
    let mut starts: Vec<f64> = Vec::new();
    for _ in 0..21 {
        let daemon = Daemon::start(&bench)?;
        starts.push(daemon.answered.as_secs_f64() * 1000.0);
        daemon.end()?;
    }
    starts.sort_by(f64::total_cmp);
    board.line("from its start to /livez, median of 21", starts[10], "ms", Some(50.0));
    board.line("the slowest of them", starts[20], "ms", None);
    let daemon = Daemon::start(&bench)?;
    std::thread::sleep(Duration::from_secs(3));
    let before = daemon.cpu()?;
    std::thread::sleep(Duration::from_secs(20));
    board.line("idle: CPU in 20 s", daemon.cpu()? - before, "s", Some(0.02));
    board.line("idle: resident", daemon.resident()?, "MiB", Some(20.0));
    let asked = Instant::now();
    daemon.end()?;
    board.line("from SIGTERM to its end, idle", asked.elapsed().as_secs_f64(), "s", Some(1.0));
    while_a_run_is_on(synthetic, folder, venv, board)
}

fn while_a_run_is_on(synthetic: &Path, folder: &Path, venv: &Venv, board: &mut Board) -> Result<()> {
    println!("\nthe daemon while it reads {RESOURCES} resources, asked {RATE} times a second");
    let bench = Bench::new(synthetic, &folder.join("serve-load"), venv)?;
    let kinds = workspace().join("tests/bench/kinds");
    configure(
        &bench,
        &format!("synthetic: {{ resources: {RESOURCES} }}"),
        &format!("checks: {{ dirs: [{}] }}\n", kinds.display()),
    )?;
    let daemon = Daemon::start(&bench)?;
    daemon.run()?;
    let (mut quiet, mut loaded, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(daemon.run()?);
        let over = AtomicBool::new(false);
        let (took, asked) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    scope.spawn({
                        let (over, address) = (&over, daemon.address);
                        move || client(address, number, over)
                    })
                })
                .collect();
            let took = daemon.run();
            over.store(true, Ordering::Relaxed);
            let asked = clients.into_iter().map(|client| client.join().unwrap_or_else(|_| bail!("a client failed")));
            (took, asked.collect::<Result<Vec<_>>>())
        });
        loaded.push(took?);
        latencies.extend(asked?.into_iter().flatten());
    }
    latencies.sort_by(f64::total_cmp);
    quiet.sort_by(f64::total_cmp);
    loaded.sort_by(f64::total_cmp);
    let seconds: f64 = loaded.iter().sum();
    board.line("requests", latencies.len() as f64, "", None);
    board.least("requests a second", latencies.len() as f64 / seconds, "", 0.95 * RATE as f64);
    board.line("p50", latencies[latencies.len() / 2], "ms", None);
    board.line("p99", latencies[latencies.len() * 99 / 100], "ms", Some(5.0));
    board.line("a run in quiet, median", quiet[ROUNDS / 2], "s", None);
    board.line("a run beside the requests, by that", loaded[ROUNDS / 2] / quiet[ROUNDS / 2], "", Some(1.1));
    board.line("resident after these runs", daemon.resident()?, "MiB", None);
    daemon.end()
}

/// Asks at its share of the rate until it is over; gives the milliseconds that each answer took.
fn client(address: SocketAddr, number: u64, over: &AtomicBool) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let apart = Duration::from_micros(1_000_000 * CLIENTS / RATE);
    let mut next = Instant::now() + apart * u32::try_from(number)? / u32::try_from(CLIENTS)?;
    let mut took = Vec::new();
    for count in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        if let Some(wait) = next.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        let path = if count % 2 == 0 { "/readyz" } else { "/api/v1/status" };
        // From when it should have been asked: an answer that is late makes those behind it late.
        let begin = next;
        next += apart;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
        answer(&mut reader)?;
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}

/// Reads one answer: its status and body.
fn answer(reader: &mut BufReader<TcpStream>) -> Result<(u16, Vec<u8>)> {
    let (mut status, mut length) = (0, 0);
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the daemon hung up");
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(rest) = lower.strip_prefix("http/1.1 ") {
            status = rest.split(' ').next().unwrap_or_default().parse()?;
        }
        if let Some(rest) = lower.strip_prefix("content-length:") {
            length = rest.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}

fn configure(bench: &Bench, target: &str, rest: &str) -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(bench.folder.join("token"), TOKEN)?;
    bench.configure(
        target,
        &format!(
            "schedules: [{{ name: yearly, cron: \"0 0 0 1 1 *\" }}]\n\
             serve: {{ listen: \"127.0.0.1:{port}\", token_file: {} }}\n{rest}",
            bench.folder.join("token").display()
        ),
    )
}

/// A daemon at work.
struct Daemon {
    child: Child,
    address: SocketAddr,
    /// How long after its start it answered.
    answered: Duration,
}

impl Daemon {
    fn start(bench: &Bench) -> Result<Self> {
        let config = fs::read_to_string(bench.folder.join("evidenced.yaml"))?;
        let listen = config.split("listen: \"").nth(1).and_then(|rest| rest.split('"').next());
        let address: SocketAddr = listen.context("the config names no address")?.parse()?;
        let mut command = Command::new(&bench.program);
        command.arg("--config").arg(bench.folder.join("evidenced.yaml")).args(["run", "--log-format", "json"]);
        emulated(&mut command);
        let log = fs::File::create(bench.folder.join("log"))?;
        let begin = Instant::now();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("start the daemon")?;
        let mut daemon = Self { child, address, answered: Duration::ZERO };
        while begin.elapsed() < Duration::from_secs(10) {
            if daemon.get("/livez").is_ok_and(|(status, _)| status == 200) {
                daemon.answered = begin.elapsed();
                // Until it has opened what it needs.
                while daemon.status()?["schedules"].as_array().is_none_or(Vec::is_empty) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Ok(daemon);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        bail!("the daemon does not answer; see {}", bench.folder.join("log").display())
    }

    fn ask(&self, request: &str) -> Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(request.as_bytes())?;
        answer(&mut BufReader::new(stream))
    }

    fn get(&self, path: &str) -> Result<(u16, Vec<u8>)> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address))
    }

    fn status(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get("/api/v1/status")?.1)?)
    }

    /// Makes it run, and says how many seconds that took.
    fn run(&self) -> Result<f64> {
        let before = self.status()?["run"]["run"].clone();
        let begin = Instant::now();
        let (status, body) = self.ask(&format!(
            "POST /api/v1/runs HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}",
            self.address
        ))?;
        ensure!(status == 202, "a run is refused: {status} {}", String::from_utf8_lossy(&body));
        while begin.elapsed() < Duration::from_mins(5) {
            if self.status()?["run"]["run"] != before {
                return Ok(begin.elapsed().as_secs_f64());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("a run does not end")
    }

    /// Seconds of CPU so far.
    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        // Linux counts hundredths of a second.
        Ok(ticks.sum::<f64>() / 100.0)
    }

    /// Memory that it holds, in MiB.
    fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    fn end(mut self) -> Result<()> {
        let ended = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?;
        ensure!(ended.success(), "the daemon cannot be told to end");
        let status = self.child.wait()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program needs no loader: none of the segments of its ELF file names one.
fn is_static(program: &Path) -> Result<bool> {
    let bytes = fs::read(program)?;
    let number = |at: usize, length: usize| -> usize {
        let bytes = bytes.get(at..at + length).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "{} is no 64-bit ELF file", program.display());
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    // PT_INTERP is 3.
    Ok((0..count).all(|index| number(table + index * size, 4) != 3))
}
