//! Requests that mean harm: paths that look for files, heads and bodies without end, markup.

use std::io::Write as _;

use crate::client::{TOKEN, connect, get, post, raw, read, server};

#[test]
fn no_path_is_a_file() {
    let (server, _) = server();
    for target in [
        "/../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.git/config",
        "//etc/passwd",
        "/api/v1/../../etc/passwd",
        "/api/v1/runs/../../etc/passwd",
        "/index.html",
        "/livez/",
        "/livez%00",
        "/%6civez",
    ] {
        assert_eq!(get(&server, target).status, 404, "{target}");
    }
    for target in [
        "/api/v1/runs/..",
        "/api/v1/controls/..",
        "/api/v1/controls/%2e%2e",
        "/api/v1/controls/a%2fb",
        "/api/v1/controls/a%5cb",
        "/api/v1/controls/a%00",
        "/api/v1/controls/%",
        "/api/v1/controls/%ff",
        "/api/v1/findings?resource=%00",
        "/api/v1/findings?check=%c0%ae",
    ] {
        assert_eq!(get(&server, target).status, 400, "{target}");
    }
    for target in ["*", "livez", "/a b", "/\u{0}"] {
        let status = get(&server, target).status;
        // A target without a slash is the name of a host.
        assert!(matches!(status, 400 | 404 | 421), "{target}: {status}");
    }
}

#[test]
fn nothing_is_without_end() {
    let (server, _) = server();
    assert_eq!(get(&server, &format!("/{}", "a".repeat(9000))).status, 414);
    assert_eq!(get(&server, &format!("/livez?{}", "a".repeat(9000))).status, 414);
    let request = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}", "a".repeat(17 << 10));
    assert_eq!(raw(&server, &request).status, 431);
    let many = "X-Many: a\r\n".repeat(70);
    assert_eq!(raw(&server, &format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")).status, 431);
    assert_eq!(post(&server, &format!("{{\"schedule\":\"{}\"}}", "a".repeat(17 << 10)), &[]).status, 413);

    let mut stream = connect(&server);
    let head = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n";
    write!(stream, "{head}Authorization: Bearer {TOKEN}\r\n\r\n").unwrap();
    for _ in 0..17 {
        write!(stream, "400\r\n{}\r\n", " ".repeat(1024)).unwrap();
    }
    assert_eq!(read(&mut stream, false).unwrap().status, 413, "whatever length it claims");
    assert_eq!(get(&server, "/livez").status, 200);
}

#[test]
fn no_two_lengths_and_no_smuggling() {
    let (server, desk) = server();
    let head = format!("POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    for lengths in ["Content-Length: 2\r\nContent-Length: 3", "Content-Length: -1", "Transfer-Encoding: gzip"] {
        let status = raw(&server, &format!("{head}{lengths}\r\n\r\n{{}} ")).status;
        assert_eq!(status, 400, "{lengths}");
    }
    assert_eq!(raw(&server, &format!("{head}Bad Header: x\r\n\r\n")).status, 400);
    assert_eq!(raw(&server, "NONSENSE\r\n\r\n").status, 400);
    assert!(desk.started.lock().unwrap().is_empty());
}

#[test]
fn no_answer_repeats_markup() {
    let (server, _) = server();
    for target in [
        "/<script>alert(1)</script>",
        "/api/v1/runs/<script>",
        "/api/v1/controls/%3Cscript%3E",
        "/api/v1/findings?<script>=1",
        "/api/v1/findings?%3Cscript%3E=1",
        "/api/v1/findings?verdict=%3Cscript%3E",
        "/api/v1/controls?catalog=%3Cscript%3E",
    ] {
        let reply = get(&server, target);
        assert!(matches!(reply.status, 400 | 404), "{target}");
        // JSON, said to be nothing else: no browser makes a page of it.
        let typed = reply.body.is_empty() || reply.header("content-type") == "application/problem+json";
        assert!(typed && !reply.header("content-type").contains("html"), "{reply:?}");
    }
}
