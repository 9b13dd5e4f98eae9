//! Stopping: what is under way may end, and nothing holds it for longer than it was granted.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::client::{LONG, ask, connect, is_closed, read, server};
use crate::desk::Trouble;

#[tokio::test]
async fn it_stops_at_once_when_nothing_is_under_way() {
    let (server, _) = server();
    let (address, mut idle) = (server.address(), connect(&server));
    let mut kept = connect(&server);
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(read(&mut kept, false).unwrap().status, 200);
    let mut halfway = connect(&server);
    halfway.write_all(b"GET /livez HT").unwrap();
    // Whoever is answered after them shows that both were read.
    assert_eq!(ask(&server, "GET", "/livez", &[]).status, 200);
    let began = Instant::now();
    server.stop(LONG).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(is_closed(&mut halfway) && is_closed(&mut idle) && is_closed(&mut kept));
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_request_under_way_gets_its_answer() {
    let (server, desk) = server();
    let (here, arrived) = channel();
    *desk.trouble.lock().unwrap() = Trouble::Hang(here);
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    arrived.recv_timeout(LONG).unwrap();
    let address = server.address();
    let stopping = tokio::spawn(server.stop(LONG));
    // It stops listening first.
    while TcpStream::connect(address).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    desk.gate.open();
    let reply = tokio::task::spawn_blocking(move || read(&mut stream, false)).await.unwrap().unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, "close"));
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_request_that_hangs_does_not_hold_it() {
    let (server, desk) = server();
    let (here, arrived) = channel();
    *desk.trouble.lock().unwrap() = Trouble::Hang(here);
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    arrived.recv_timeout(LONG).unwrap();
    let (began, grace) = (Instant::now(), Duration::from_millis(200));
    server.stop(grace).await;
    assert!(began.elapsed() >= grace && began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(is_closed(&mut stream));
    desk.gate.open();
}

#[test]
fn a_handle_that_is_dropped_stops_it() {
    let (server, _) = server();
    let mut idle = connect(&server);
    drop(server);
    assert!(is_closed(&mut idle));
}
