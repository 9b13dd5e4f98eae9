//! Clients and desks that take their time, or take everything.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use evidenced_serve::Limits;

use crate::client::{LONG, TOKEN, connect, get, is_closed, post, read, server, server_with};
use crate::desk::Trouble;

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_head_that_drips_is_cut_off() {
    let (server, _) = server_with(Limits { head: SHORT, ..Limits::default() });
    let mut stream = connect(&server);
    let began = Instant::now();
    // A byte now and then wins no time. Only the server ends this.
    for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain(std::iter::repeat(&b'a')) {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < LONG);
    }
    assert!(began.elapsed() >= SHORT);
    assert_eq!(get(&server, "/livez").status, 200);
    let mut silent = connect(&server);
    assert!(is_closed(&mut silent), "who says nothing goes, too");
}

#[test]
fn a_connection_is_kept_for_a_while_and_no_longer() {
    let (server, _) = server_with(Limits { head: SHORT, ..Limits::default() });
    let mut stream = connect(&server);
    for _ in 0..3 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(read(&mut stream, false).unwrap().status, 200);
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let (server, _) = server_with(Limits { request: SHORT, ..Limits::default() });
    let mut stream = connect(&server);
    let head = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Authorization: Bearer {TOKEN}\r\nContent-Length: 10\r\n\r\n{{").unwrap();
    assert_eq!(read(&mut stream, false).unwrap().status, 503);
    assert!(is_closed(&mut stream));
}

#[test]
fn who_does_not_read_is_dropped() {
    let (server, desk) = server_with(Limits { write: SHORT, ..Limits::default() });
    // More than the system buffers for anybody.
    *desk.metrics.lock().unwrap() = Some("# a line of sixteen\n".repeat(4 << 20));
    let mut stream = connect(&server);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // The first byte, so that the answer has begun; then nothing until the server has given up.
    assert_eq!(stream.read(&mut [0]).unwrap(), 1);
    let began = Instant::now();
    while server_connections(&server) > 0 {
        assert!(began.elapsed() < LONG, "the connection stays");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut rest = Vec::new();
    _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 80 << 20, "the answer was not written to its end");
}

/// Connections of this process' server that the system still knows as established.
fn server_connections(server: &evidenced_serve::ServerHandle) -> usize {
    let port = format!("0100007F:{:04X}", server.address().port());
    let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else { return 0 };
    table.lines().filter(|line| line.split_whitespace().nth(1) == Some(&port) && line.contains(" 01 ")).count()
}

#[test]
fn a_desk_that_panics_costs_one_answer() {
    let (server, desk) = server();
    *desk.trouble.lock().unwrap() = Trouble::Panic;
    let broken = get(&server, "/api/v1/runs");
    assert_eq!(broken.status, 500);
    assert!(!broken.problem().contains("told to panic"), "what is inside stays inside");
    assert_eq!(get(&server, "/api/v1/runs").status, 200);
    *desk.trouble.lock().unwrap() = Trouble::Panic;
    assert!(get(&server, "/").status == 200, "the dashboard does without its controls");
}

#[test]
fn a_desk_that_hangs_costs_one_answer() {
    let (server, desk) = server_with(Limits { request: SHORT, ..Limits::default() });
    let (here, arrived) = channel();
    *desk.trouble.lock().unwrap() = Trouble::Hang(here);
    let hung = get(&server, "/api/v1/runs");
    assert_eq!((hung.status, hung.header("retry-after")), (503, "5"));
    arrived.recv_timeout(LONG).unwrap();
    for target in ["/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/runs", "/api/v1/findings", "/"] {
        assert_eq!(get(&server, target).status, 200, "{target}");
    }
    assert_eq!(post(&server, "", &[]).status, 202);
    desk.gate.open();
}

#[test]
fn a_desk_that_hangs_for_good_takes_no_probe_with_it() {
    let limits = Limits { request: SHORT, asks: 1, waiting: 1, ..Limits::default() };
    let (server, desk) = server_with(limits);
    let (here, arrived) = channel();
    *desk.trouble.lock().unwrap() = Trouble::Hang(here);
    let mut first = connect(&server);
    first.write_all(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    arrived.recv_timeout(LONG).unwrap();
    // The one place is taken, and stays so after the answer.
    assert_eq!(get(&server, "/api/v1/runs").status, 503);
    assert_eq!(get(&server, "/api/v1/findings").status, 503);
    assert_eq!(read(&mut first, false).unwrap().status, 503);
    assert_eq!(get(&server, "/livez").status, 200);
    assert_eq!(get(&server, "/api/v1/status").status, 200);
    desk.gate.open();
    let began = Instant::now();
    while get(&server, "/api/v1/runs").status != 200 {
        assert!(began.elapsed() < LONG, "the place is not given back");
    }
    assert_eq!(desk.asked.load(Ordering::SeqCst), 2, "what nobody waits for any longer is not asked");
}

#[test]
fn thousands_of_connections_take_neither_probes_nor_descriptors() {
    let (server, _) = server_with(Limits { connections: 64, head: 10 * LONG, ..Limits::default() });
    let mut held: Vec<TcpStream> = Vec::new();
    for number in 0..2000 {
        let Ok(mut stream) = TcpStream::connect(server.address()) else { break };
        // Some say nothing, some begin a request and do not go on.
        if number % 3 == 0 {
            _ = stream.write_all(b"GET /livez HT");
        }
        held.push(stream);
        if number % 100 == 0 {
            assert_eq!(get(&server, "/livez").status, 200, "after {number}");
        }
    }
    assert!(held.len() >= 200, "the machine allows only {}", held.len());
    assert_eq!(get(&server, "/readyz").status, 200);
    #[cfg(target_os = "linux")]
    {
        let began = Instant::now();
        while server_connections(&server) > 64 {
            assert!(began.elapsed() < LONG, "{} connections", server_connections(&server));
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_request_under_way_is_not_what_makes_room() {
    let (server, desk) = server_with(Limits { connections: 2, ..Limits::default() });
    let (here, arrived) = channel();
    *desk.trouble.lock().unwrap() = Trouble::Hang(here);
    let mut working = connect(&server);
    working.write_all(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    arrived.recv_timeout(LONG).unwrap();
    for _ in 0..20 {
        assert_eq!(get(&server, "/livez").status, 200);
        drop(connect(&server));
    }
    desk.gate.open();
    assert_eq!(read(&mut working, false).unwrap().status, 200);
}
