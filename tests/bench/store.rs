//! `evidenced-bench store`: 1000 chunks of a first run into a bucket that takes 20 ms for each, one by one and together.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_model::FixedClock;
use evidenced_store::{AwsKey, Limits, Options, Store, Upload, put_all};
use serde_json::json;

const CHUNKS: u64 = 1000;
/// What 256 KiB of resource lines come to when they are compressed.
const SIZE: usize = 40_000;
const LATENCY: Duration = Duration::from_millis(20);

/// Measures, and says what came of it as one line of JSON on standard error, among what `evidenced` logs.
pub(crate) fn run() -> ExitCode {
    let measured = bucket().and_then(|endpoint| {
        let store = open(&endpoint)?;
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
        let one = threads.block_on(upload(&*store, "one", Limits { files: 1, ..Limits::default() }))?;
        let together = threads.block_on(upload(&*store, "together", Limits::default()))?;
        Ok((one, together))
    });
    let line = match &measured {
        Ok((one, together)) => {
            json!({"stage": "store", "chunks": CHUNKS, "one_by_one": one.as_secs_f64(), "together": together.as_secs_f64()})
        }
        Err(error) => json!({"stage": "store", "error": error.to_string()}),
    };
    let _ = writeln!(std::io::stderr(), "{line}");
    if measured.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn open(endpoint: &str) -> std::io::Result<Arc<dyn Store>> {
    let options = Options {
        aws: Some(AwsKey { id: "AKIAEXAMPLEEXAMPLE00".into(), secret: "not-a-secret".into() }),
        endpoint_url: Some(endpoint.to_owned()),
        ..Options::new(Arc::new(FixedClock(jiff::Timestamp::UNIX_EPOCH)))
    };
    evidenced_store::open("s3://evidence/bench", &options).map_err(std::io::Error::other)
}

async fn upload(store: &dyn Store, name: &str, limits: Limits) -> std::io::Result<Duration> {
    let files = (0..CHUNKS).map(|number| {
        let path = format!("v1/objects/{name}/{number}.jsonl.zst");
        Upload::new(path, SIZE as u64, move || Ok(number.to_le_bytes().repeat(SIZE / 8)))
    });
    let began = Instant::now();
    let uploaded = put_all(store, files, limits, &mut |_, _| ()).await.map_err(std::io::Error::other)?;
    if uploaded.written != CHUNKS {
        return Err(std::io::Error::other(format!("{uploaded:?}")));
    }
    Ok(began.elapsed())
}

/// A bucket of loopback that takes everything, and its time. Gives its endpoint.
fn bucket() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(endpoint)
}

/// Answers one connection's requests, until it is closed.
fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
        std::thread::sleep(LATENCY);
        answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"x\"\r\n\r\n")?;
    }
}
