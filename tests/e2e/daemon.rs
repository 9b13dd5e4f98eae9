//! The daemon, as it lives: slots a few seconds apart, killed, cut off, told to end, asked over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use evidenced_seal::log::EntryKind;
use serde_json::Value;
use xtask::Ministack;

use crate::living::{Daemon, FOLDER, Gate, PATIENCE, accounted, agent, every_slot_ended, folder_archive};
use crate::support::{company, empty_moto, moto_venv, proxy, target};

#[test]
fn slots_are_accounted_for_over_a_kill_and_an_outage_and_readiness_says_so() {
    let (moto, ministack) = (company(), Ministack::start(target()).unwrap());
    let mut insider: Command = moto_venv().script("s3_insider.py");
    assert!(insider.arg(ministack.url()).args(["bucket", "evidence"]).output().unwrap().status.success());
    let gate = Gate::before(ministack.port());
    let store = format!(
        "store:\n  url: s3://evidence/prod\n  endpoint_url: http://{}\n  retention: {{ mode: compliance, days: 30 }}\n\
         limits: {{ call_timeout_seconds: 3 }}\n",
        gate.address
    );
    let agent = agent(&moto.url(), 4, "4s", &store);
    let daemon = Daemon::start(&agent);
    let (status, fresh) = daemon.get("/readyz");
    assert_eq!((status, Daemon::codes(&fresh)), (503, vec!["starting".to_owned()]));
    daemon.until("/readyz", |status, _| status == 200);
    let (_, control) = daemon.get("/api/v1/controls/A.8.24?catalog=iso27001-2022");
    assert_eq!(control["controls"][0]["control"], "A.8.24");
    assert!(control["age_seconds"].as_u64().unwrap() < 30 && control["run"].is_string(), "{control}");

    daemon.kill();
    // At least one slot passes with nobody there.
    std::thread::sleep(Duration::from_secs(9));
    let daemon = Daemon::start(&agent);
    daemon.until("/readyz", |status, _| status == 200);
    daemon.until("/api/v1/status", |_, status| status["schedules"][0]["missed"].as_u64().unwrap() > 0);

    gate.set(false);
    let stale = daemon.until("/readyz", |status, body| status == 503 && Daemon::codes(body).len() == 2);
    assert_eq!(Daemon::codes(&stale), ["overdue", "store"], "{stale}");
    assert_eq!(agent.run(&["health", "--address", &daemon.address.to_string()]).code, Some(0), "it lives all the same");
    assert_eq!(agent.run(&["health", "--ready", "--address", &daemon.address.to_string()]).code, Some(1));
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.as_str().unwrap().contains("evidenced_ready 0"), "{metrics}");
    gate.set(true);
    daemon.until("/readyz", |status, _| status == 200);
    daemon.until("/api/v1/status", |_, status| status["spool"]["runs"] == 0);
    let (_, runs) = daemon.get("/api/v1/runs?limit=2");
    assert_eq!(runs["items"].as_array().unwrap().len(), 2);
    daemon.end();

    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let options = evidenced_store::Options {
        aws: Some(evidenced_store::AwsKey { id: "AKIAEXAMPLEEXAMPLE00".to_owned(), secret: "not-a-secret".to_owned() }),
        endpoint_url: Some(ministack.url()),
        ..evidenced_store::Options::new(Arc::new(evidenced_model::FixedClock(
            jiff::Timestamp::from_second(i64::try_from(now).unwrap()).unwrap(),
        )))
    };
    let archive = evidenced_store::open_archive("s3://evidence/prod", &options).unwrap();
    let slots = accounted(&agent, &*archive);
    every_slot_ended(&slots, 4);
    assert!(slots.values().flatten().any(|kind| *kind == EntryKind::Missed));
}

#[test]
fn real_clients_understand_the_endpoint() {
    let moto = company();
    let agent = agent(&moto.url(), 3, "50s", &format!("{FOLDER}limits: {{ concurrency: 8 }}\n"));
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config =
        config.replace("listen:", "token_file: ./token, listen:").replace("aws.kms", "aws.s3, aws.iam, aws.kms");
    std::fs::write(&path, config.replace("*/3 * * * * *", "0 0 0 1 1 *")).unwrap();
    std::fs::write(agent.folder().join("token"), "an-example-token\n").unwrap();
    let daemon = Daemon::start_with(&agent, &["--now"]);
    daemon.until("/readyz", |status, _| status == 200);
    let (status, findings) = daemon.get("/api/v1/findings?verdict=fail&control=A.5.17&limit=2");
    assert_eq!(status, 200);
    let first = findings["items"].as_array().unwrap();
    assert_eq!((first.len(), &first[0]["verdict"]), (2, &Value::from("fail")), "{findings}");
    let (_, more) = daemon.get(&format!(
        "/api/v1/findings?verdict=fail&control=A.5.17&limit=2&cursor={}",
        findings["next"].as_str().unwrap()
    ));
    assert_ne!(more["items"][0], findings["items"][0]);
    pages_lead_to_the_stored_line(&daemon);

    let (_, metrics) = daemon.get("/metrics");
    let promtool = xtask::installed::promtool(target()).unwrap();
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(metrics.as_str().unwrap().as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );

    let python = xtask::venv::Venv::ensure(target(), "schemathesis").unwrap().python();
    let mut schemathesis = Command::new(python.with_file_name("st"));
    schemathesis
        .args([
            "run",
            &format!("http://{}/api/v1/openapi.json", daemon.address),
            "--checks",
            "all",
            "-n",
            "25",
            "--seed",
            "7",
        ])
        .args(["--header", "Authorization: Bearer an-example-token", "--request-timeout", "20"])
        .current_dir(agent.folder());
    let said = schemathesis.output().unwrap();
    assert!(said.status.success(), "{}\n{}", String::from_utf8_lossy(&said.stdout), daemon.log());
    daemon.end();
}

/// The way from the first page to a stored line, in what people see.
fn pages_lead_to_the_stored_line(daemon: &Daemon) {
    let page = |path: &str| {
        let (status, page) = daemon.get(path);
        assert_eq!(status, 200, "{path}: {page}");
        page.as_str().unwrap().replace("&#x2f;", "/").replace("&amp;", "&")
    };
    let link = |page: &str, start: &str| {
        let from = page.find(&format!("href=\"{start}")).unwrap_or_else(|| panic!("no {start} in {page}"));
        page[from + 6..].split('"').next().unwrap().to_owned()
    };
    let first = page("/");
    assert!(first.contains("By standard") && first.contains("What is failing"), "{first}");
    let controls = page("/controls");
    let control = page(&format!("/{}", link(&controls, "controls/iso27001-2022/A.5.17")));
    let of_check = link(&control, "../../findings?check=");
    let findings = page(&of_check.replace("../..", ""));
    let finding = page(&format!("/{}", link(&findings, "finding?")));
    let object = finding.split("<code class=\"object\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    assert!(object.starts_with("v1/objects/") && finding.contains(&format!("zstd -dc {object}")), "{finding}");
    assert!(finding.contains("The resource, as it was read"), "{finding}");
    for path in ["/checks", "/timeline", "/coverage", "/trust", "/findings?verdict=fail&severity=&resource=a"] {
        page(path);
    }
}

#[test]
fn a_collector_that_never_returns_is_a_gap_and_credentials_that_come_back_are_used() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = agent(&proxy.url(), 3, "2s", FOLDER);
    proxy.rules(&[("kms:ListKeys", "hold")]).unwrap();
    let daemon = Daemon::start(&agent);
    let partial = daemon.until("/api/v1/status", |_, status| status["run"]["status"] == "partial");
    assert!(partial["run"]["totals"]["gaps"].as_u64().unwrap() > 0);
    let (status, _) = daemon.get("/livez");
    assert_eq!(status, 200);
    // Everything is denied: that is no evidence, and the reason says why.
    proxy.rules(&[("*", "deny")]).unwrap();
    let stale =
        daemon.until("/readyz", |status, body| status == 503 && body.to_string().contains("could read nothing at all"));
    assert_eq!(Daemon::codes(&stale)[0], "overdue");
    proxy.rules(&[]).unwrap();
    daemon.until("/readyz", |status, _| status == 200);
    daemon.end();
    every_slot_ended(&accounted(&agent, &*folder_archive(&agent)), 3);
}

#[test]
fn it_ends_in_time_and_what_was_read_is_sealed_or_given_up_as_the_config_says() {
    let moto = company();
    let proxy = proxy(&moto);
    for (on_stop, sealed) in [("seal", true), ("abandon", false)] {
        let agent = agent(&proxy.url(), 2, "50s", FOLDER);
        let config = std::fs::read_to_string(agent.folder().join("evidenced.yaml")).unwrap();
        let config = config.replace("grace: 20s", &format!("grace: 20s, on_stop: {on_stop}"));
        std::fs::write(agent.folder().join("evidenced.yaml"), config).unwrap();
        proxy.rules(&[("kms:DescribeKey", "hold")]).unwrap();
        let daemon = Daemon::start(&agent);
        proxy.await_call("kms:DescribeKey").unwrap();
        let begin = Instant::now();
        daemon.end();
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        proxy.rules(&[]).unwrap();
        let kinds: Vec<EntryKind> = accounted(&agent, &*folder_archive(&agent)).into_values().flatten().collect();
        let end = if sealed { EntryKind::Run } else { EntryKind::Started };
        assert_eq!(kinds.last(), Some(&end), "{on_stop}: {kinds:?}");
    }
}

#[test]
fn a_config_is_read_again_and_a_bad_one_changes_nothing() {
    let moto = empty_moto();
    let agent = agent(&moto.url(), 3, "2s", FOLDER);
    let path = agent.folder().join("evidenced.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    let daemon = Daemon::start(&agent);
    daemon.until("/readyz", |status, _| status == 200);
    std::fs::write(&path, good.replace("jitter: 0s", "jittr: 0s")).unwrap();
    daemon.signal("HUP");
    let status = daemon.until("/api/v1/status", |_, status| status["config"]["error"].is_string());
    let error = status["config"]["error"].as_str().unwrap();
    assert!(error.contains("evidenced.yaml") && error.contains("did you mean `jitter`?"), "{error}");
    let last = status["schedules"][0]["last"]["run"].clone();
    daemon.until("/api/v1/status", |_, status| status["schedules"][0]["last"]["run"] != last);
    // What cannot change without a restart says so; what can is in force at once.
    std::fs::write(&path, good.replace("id: test", "id: other")).unwrap();
    daemon.signal("HUP");
    daemon.until("/api/v1/status", |_, status| {
        status["config"]["error"].as_str().is_some_and(|error| error.contains("restart it"))
    });
    std::fs::write(&path, good.replace("name: quick", "name: fast")).unwrap();
    daemon.signal("HUP");
    let status = daemon.until("/api/v1/status", |_, status| status["schedules"][0]["name"] == "fast");
    assert_eq!(status["config"]["error"], Value::Null);
    daemon.until("/readyz", |status, _| status == 200);
    daemon.end();
    agent.run(&["verify"]).expect(0);
}

#[test]
fn two_of_one_id_do_not_fork_the_log() {
    let moto = empty_moto();
    let agent = agent(&moto.url(), 2, "10s", FOLDER);
    let other = std::fs::read_to_string(agent.folder().join("evidenced.yaml")).unwrap();
    let other = other.replace("./state", "./state-2");
    std::fs::write(agent.folder().join("other.yaml"), other).unwrap();
    let (one, two) = (Daemon::start(&agent), Daemon::start_with(&agent, &["-c", "other.yaml"]));
    for daemon in [&one, &two] {
        daemon.until("/readyz", |status, _| status == 200);
    }
    // Who is killed at work leaves a lease behind that runs for minutes. So one of them dies that has just ended a run.
    let due = |status: &Value| status["schedules"][0]["last"]["due"].clone();
    let last = |daemon: &Daemon| due(&daemon.get("/api/v1/status").1);
    let (first, second) = (last(&one), last(&two));
    one.until("/api/v1/status", |_, status| due(status) != first || last(&two) != second);
    let (dead, left) = if last(&one) == first { (two, one) } else { (one, two) };
    dead.kill();
    let before = last(&left);
    left.until("/api/v1/status", |_, status| due(status) != before);
    left.end();
    every_slot_ended(&accounted(&agent, &*folder_archive(&agent)), 2);
}

#[test]
fn a_run_is_started_by_whoever_has_the_token_and_changes_are_told() {
    let moto = company();
    let told = TcpListener::bind("127.0.0.1:0").unwrap();
    let notify = format!(
        "{FOLDER}notify: [{{ name: ops, url: \"http://{}/hook\", secret_file: ./secret }}]\n",
        told.local_addr().unwrap()
    );
    let agent = agent(&moto.url(), 3600, "50s", &notify);
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("*/3600 * * * * *", "0 0 0 1 1 *").replace("aws.kms", "aws.s3, aws.iam");
    let config = config.replace("listen:", "token_file: ./token, listen:");
    std::fs::write(&path, config).unwrap();
    std::fs::write(agent.folder().join("token"), "an-example-token\n").unwrap();
    std::fs::write(agent.folder().join("secret"), "hush\n").unwrap();
    let daemon = Daemon::start(&agent);
    let start = |daemon: &Daemon, token: &str| {
        let body = "{\"schedule\": \"quick\"}";
        let length = body.len();
        let headers =
            format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        let mut stream = TcpStream::connect(daemon.address).unwrap();
        let host = daemon.address;
        write!(stream, "POST /api/v1/runs HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    daemon.until("/api/v1/status", |_, status| status["schedules"][0]["name"] == "quick");
    assert_eq!(start(&daemon, "somebody-elses-token"), 401);
    assert_eq!(start(&daemon, "an-example-token"), 202);
    let first = daemon.until("/api/v1/status", |_, status| status["run"]["run"].is_string())["run"]["run"].clone();
    // The first run said nothing; then somebody opens a bucket to the world.
    moto.seed("seed_change.py", &[]).unwrap();
    assert_eq!(start(&daemon, "an-example-token"), 202);
    daemon.until("/api/v1/status", |_, status| status["run"]["run"] != first);
    let (mut stream, _) = told.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        head.push_str(&line.to_lowercase());
        line.clear();
    }
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").unwrap();
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&event["agent"], &event["schedule"]), (&Value::from("test"), &Value::from("quick")), "{event}");
    assert!(
        ["control_changed", "new_findings", "coverage_lost"].contains(&event["event"].as_str().unwrap()),
        "{event}"
    );
    // Signed as openssl signs.
    let signature = head.split("evidenced-signature: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let (time, mac) = signature.split_once(",v1=").unwrap();
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", "hush"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut signed = format!("{}.", time.strip_prefix("t=").unwrap()).into_bytes();
    signed.extend(&body);
    openssl.stdin.take().unwrap().write_all(&signed).unwrap();
    let said = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said.trim().rsplit(' ').next(), Some(mac));
    let log = daemon.end();
    assert!(!log.contains("hush") && !log.contains("an-example-token"), "{log}");
}

#[test]
fn traces_and_metrics_go_to_whoever_the_environment_names() {
    let moto = empty_moto();
    let agent = agent(&moto.url(), 3600, "50s", FOLDER);
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap().replace("*/3600 * * * * *", "0 0 0 1 1 *");
    std::fs::write(&path, config).unwrap();
    let taker = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", taker.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in taker.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut head, mut line) = (String::new(), String::new());
                    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                        head.push_str(&line);
                        line.clear();
                    }
                    let length = head
                        .to_lowercase()
                        .split("content-length: ")
                        .nth(1)
                        .map(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                    let Some(length) = length else { return };
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    let _ = sender.send((path, String::from_utf8_lossy(&body).into_owned()));
                    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    let mut command = agent.command(&["run", "--now"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !agent.store().join("v1/runs/test").exists() && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let (mut traces, mut metrics) = (String::new(), String::new());
    while let Ok((path, body)) = requests.recv_timeout(Duration::from_millis(500)) {
        match path.as_str() {
            "/v1/traces" => traces.push_str(&body),
            "/v1/metrics" => metrics.push_str(&body),
            other => panic!("{other}"),
        }
    }
    for word in ["evidenced", "collect", "seal", "push", "kms:ListKeys", "123456789012"] {
        assert!(traces.contains(word), "{word}: {traces}");
    }
    for word in ["evidenced.runs", "evidenced.findings", "not_applicable"] {
        assert!(metrics.contains(word), "{word}: {metrics}");
    }
    assert!(!traces.contains("not-a-secret") && !traces.contains("hush"));
}

#[test]
fn a_reload_in_the_middle_of_a_run_waits_for_it() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = agent(&proxy.url(), 2, "50s", &format!("{FOLDER}limits: {{ call_timeout_seconds: 4 }}\n"));
    proxy.rules(&[("kms:ListKeys", "hold")]).unwrap();
    let daemon = Daemon::start(&agent);
    proxy.await_call("kms:ListKeys").unwrap();
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("name: quick", "name: other").replace("timeout: 50s", "timeout: 9s")).unwrap();
    daemon.signal("HUP");
    let (_, status) = daemon.get("/api/v1/status");
    assert!(status["schedules"][0]["running"].is_string(), "{status}");
    assert_eq!(status["schedules"][0]["name"], "quick");
    // What is held is given up after a time; the run goes on by the old config.
    proxy.rules(&[]).unwrap();
    daemon.until("/api/v1/status", |_, status| status["schedules"][0]["name"] == "other");
    daemon.until("/readyz", |status, _| status == 200);
    daemon.end();
    let slots = accounted(&agent, &*folder_archive(&agent));
    let first = slots.values().next().unwrap();
    assert!(first.contains(&EntryKind::Run), "the run that was under way is sealed: {slots:?}");
}

#[test]
fn systemd_hears_how_things_stand() {
    let moto = empty_moto();
    let agent = agent(&moto.url(), 3600, "50s", FOLDER);
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap().replace("*/3600 * * * * *", "0 0 0 1 1 *");
    std::fs::write(&path, config).unwrap();
    let socket = agent.folder().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = agent.command(&["run", "-q"]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1000000");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut heard = String::new();
    let mut until = |word: &str| {
        let mut bytes = [0; 4096];
        while !heard.contains(word) {
            let length = systemd.recv(&mut bytes).unwrap_or_else(|error| panic!("{word}: {error}; heard {heard}"));
            heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
            heard.push('\n');
        }
        heard.clear();
    };
    until("READY=1");
    until("STATUS=");
    until("WATCHDOG=1");
    let signal = |signal: &str| Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(signal("HUP").success());
    until("RELOADING=1");
    until("READY=1");
    assert!(signal("TERM").success());
    until("STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
