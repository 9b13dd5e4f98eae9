//! Every route, and every status that it answers with.

use std::sync::Arc;
use std::time::Duration;

use evidenced_serve::{DeskError, OPENAPI, Pulse, ServeConfig, Server, StartRequest};

use crate::client::{TOKEN, ask, get, loopback, post, server};
use crate::desk::{StandIn, Trouble, runs};

#[test]
fn probes_and_metrics() {
    let (server, desk) = server();
    let live = get(&server, "/livez");
    assert_eq!((live.status, live.body.as_str()), (200, "ok\n"));
    let ready = get(&server, "/readyz");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    *desk.not_ready.lock().unwrap() = true;
    let ready = get(&server, "/readyz?verbose");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["reasons"][0]["code"], "overdue");
    assert!(ready.json()["reasons"][0]["what"].as_str().unwrap().contains("doctor"));
    let metrics = get(&server, "/metrics");
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(metrics.body, "evidenced_ready 1\n");
}

#[test]
fn a_process_that_gives_no_sign_of_life_is_not_live() {
    let pulse = Arc::new(Pulse::new());
    let mut config = ServeConfig::new(loopback());
    config.pulse = Some((Arc::clone(&pulse), Duration::from_mins(1)));
    let server = Server::bind(config.clone(), Arc::new(StandIn::default())).unwrap();
    assert_eq!(get(&server, "/livez").status, 200);
    config.pulse = Some((Arc::clone(&pulse), Duration::ZERO));
    let server = Server::bind(config, Arc::new(StandIn::default())).unwrap();
    let silent = loop {
        let reply = get(&server, "/livez");
        // A pulse that is a millisecond old is silent for longer than nothing.
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!(silent.status, 503);
    assert!(silent.problem().contains("sign of life"));
}

#[test]
fn the_state_of_evidence() {
    let (server, _) = server();
    let status = get(&server, "/api/v1/status");
    assert_eq!((status.status, status.header("content-type")), (200, "application/json"));
    assert_eq!(status.json()["head"]["index"], 41);
    assert_eq!(get(&server, "/api/v1/status?x=1").status, 400);

    let all = get(&server, "/api/v1/runs").json();
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (3, &serde_json::Value::Null));
    let first = get(&server, "/api/v1/runs?limit=2").json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let rest = get(&server, &format!("/api/v1/runs?limit=2&cursor={}", first["next"].as_str().unwrap())).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &serde_json::Value::Null));
    assert_eq!(get(&server, "/api/v1/runs?cursor=nowhere").status, 404);

    let run = runs()[1].run;
    assert_eq!(get(&server, &format!("/api/v1/runs/{run}")).json()["run"], run.to_string());
    let missing = get(&server, "/api/v1/runs/01BX5ZZKBKACTAV9WEVGEMMVRZ");
    assert_eq!((missing.status, missing.problem().as_str()), (404, "The log names no run 01BX5ZZKBKACTAV9WEVGEMMVRZ."));
    assert_eq!(get(&server, "/api/v1/runs/latest").status, 400);
}

#[test]
fn controls_with_what_they_rest_on() {
    let (server, _) = server();
    assert_eq!(get(&server, "/api/v1/controls").json()["controls"].as_array().unwrap().len(), 3);
    assert_eq!(get(&server, "/api/v1/controls?catalog=iso27001-2022").status, 200);
    assert_eq!(get(&server, "/api/v1/controls?catalog=other").status, 404);
    for target in ["/api/v1/controls/A.8.24", "/api/v1/controls/A%2e8.24?catalog=iso27001-2022"] {
        let control = get(&server, target).json();
        assert_eq!(control["controls"][0]["standing"], "contradicted");
        assert_eq!((&control["run"], &control["age_seconds"]), (&runs()[0].run.to_string().into(), &3600.into()));
    }
    let missing = get(&server, "/api/v1/controls/A.9.99").problem();
    assert_eq!(missing, "No enabled catalogue has a control A.9.99.");
    let missing = get(&server, "/api/v1/controls/A.8.24?catalog=other").problem();
    assert_eq!(missing, "Catalogue other has no control A.8.24, or is not enabled.");
}

#[test]
fn findings_by_verdict_and_part() {
    let (server, _) = server();
    let count = |query: &str| {
        let reply = get(&server, &format!("/api/v1/findings{query}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["items"].as_array().unwrap().len()
    };
    assert_eq!(count(""), 4);
    assert_eq!(count("?verdict=fail"), 1);
    assert_eq!(count("?verdict=fail,pass"), 2);
    assert_eq!(count("?verdict=fail&verdict=unknown&limit=1"), 1);
    assert_eq!(count(&format!("?run={}", runs()[0].run)), 4);
    assert_eq!(
        (count("?severity=medium"), count("?severity=high"), count("?account=123456789012"), count("?provider=gcp")),
        (4, 0, 4, 0)
    );
    assert_eq!(get(&server, "/api/v1/findings?limit=3").json()["next"], "3");
    assert_eq!(get(&server, "/api/v1/findings?limit=3&cursor=3").json()["next"], serde_json::Value::Null);
    for wrong in ["verdict=bad", "limit=0", "run=x", "severity=bad", "provider=%2f"] {
        let reply = get(&server, &format!("/api/v1/findings?{wrong}"));
        assert_eq!(reply.status, 400, "{wrong}");
        reply.problem();
    }
}

#[test]
fn a_run_is_asked_for() {
    let (server, desk) = server();
    assert_eq!((post(&server, "", &[]).status, post(&server, "{}", &[]).json()["before"].as_u64()), (202, Some(1)));
    assert_eq!(post(&server, "{\"schedule\":\"hourly\"}", &[]).status, 202);
    let wished: Vec<_> = desk.started.lock().unwrap().drain(..).collect();
    assert_eq!(wished.last(), Some(&StartRequest { schedule: Some("hourly".into()) }));
    for wrong in
        ["[]", "null", "{", "{\"schedule\":1}", "{\"shedule\":\"hourly\"}", "{\"schedule\":\"\"}", "\"hourly\""]
    {
        assert_eq!(post(&server, wrong, &[]).status, 400, "{wrong}");
    }
    assert_eq!(post(&server, "{\"schedule\":\"none\"}", &[]).status, 404);
    let request = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n";
    let media = crate::client::raw(&server, &format!("{request}Authorization: Bearer {TOKEN}\r\n\r\n{{}}"));
    assert_eq!((media.status, desk.started.lock().unwrap().len()), (415, 0));
    *desk.trouble.lock().unwrap() = Trouble::Fail(DeskError::Busy("A run waits already.".into()));
    let busy = post(&server, "", &[]);
    assert_eq!((busy.status, busy.problem().as_str()), (409, "A run waits already."));
}

#[test]
fn what_the_desk_cannot_do_has_a_status() {
    let (server, desk) = server();
    for (error, status) in [
        (DeskError::Wrong("no".into()), 400),
        (DeskError::Missing("no".into()), 404),
        (DeskError::Busy("no".into()), 409),
        (DeskError::Away("no".into()), 503),
    ] {
        *desk.trouble.lock().unwrap() = Trouble::Fail(error);
        let reply = get(&server, "/api/v1/runs");
        assert_eq!((reply.status, reply.problem().as_str()), (status, "no"));
        assert_eq!(reply.header("retry-after").is_empty(), status != 503);
    }
}

#[test]
fn heads_methods_and_nothing() {
    let (server, _) = server();
    for target in ["/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/runs", "/api/v1/openapi.json", "/"] {
        let (whole, head) = (get(&server, target), ask(&server, "HEAD", target, &[]));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{target}");
        for name in ["content-length", "content-type", "content-security-policy"] {
            assert_eq!(whole.header(name), head.header(name), "{target} {name}");
        }
        assert_eq!(whole.header("content-length"), whole.body.len().to_string());
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            let reply = ask(&server, method, target, &[]);
            let allowed = if target == "/api/v1/runs" { "GET, HEAD, POST" } else { "GET, HEAD" };
            assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{method} {target}");
            reply.problem();
        }
    }
    assert_eq!(ask(&server, "HEAD", "/api/v1/runs/latest", &[]).status, 400);
    let nothing = get(&server, "/nothing");
    assert_eq!(nothing.status, 404);
    nothing.problem();
    assert_eq!(get(&server, "/api/v1/openapi.json").body, OPENAPI);
}

#[test]
fn every_answer_carries_its_guard() {
    let (server, _) = server();
    for target in [
        "/livez",
        "/",
        "/findings",
        "/finding",
        "/controls/x/y",
        "/nothing",
        "/api/v1/runs",
        "/api/v1/runs/x",
        "/metrics",
    ] {
        let reply = get(&server, target);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{target}");
        }
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{target}");
        assert!(!reply.headers.keys().any(|name| name.starts_with("access-control") || name == "server"), "{reply:?}");
    }
}
