//! The pages for people, over real connections: what they show, where they lead, and what harm names can do.

use std::sync::Arc;

use evidenced_serve::{DeskError, ServerHandle};

use crate::client::{Reply, get, server};
use crate::desk::{HOSTILE, StandIn, Trouble};
use crate::{period, sample};

/// A server whose desk has a run and a period.
fn full() -> (ServerHandle, Arc<StandIn>) {
    let (server, desk) = server();
    *desk.report.lock().unwrap() = Some(Arc::new(sample::rich()));
    *desk.period.lock().unwrap() = Some(Arc::new(period::period()));
    (server, desk)
}

fn page(server: &ServerHandle, target: &str) -> String {
    let reply = get(server, target);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"), "{target} {reply:?}");
    harmless(&reply);
    reply.body
}

fn harmless(reply: &Reply) {
    let body = &reply.body;
    assert!(!body.contains(HOSTILE) && !body.contains("<script>alert"), "{body}");
    assert!(!body.contains('\u{202e}') && !body.contains('\u{0}'), "{body}");
    assert!(!body.contains("src=") && !body.contains("onclick") && !body.contains("style="), "{body}");
    let policy = reply.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

/// The first link whose address has this in it.
fn link(html: &str, part: &str) -> String {
    let links = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let links: Vec<String> = links.map(|link| link.replace("&#x2f;", "/").replace("&amp;", "&")).collect();
    links.iter().find(|link| link.contains(part)).unwrap_or_else(|| panic!("no {part} among {links:?}")).clone()
}

#[test]
fn the_way_leads_from_control_to_finding_to_evidence() {
    let (server, desk) = full();
    *desk.others.lock().unwrap() = Some(sample::findings());
    let first = page(&server, "/");
    for part in
        ["prod-eu", "hourly", "123456789012", "60 minutes", "contradicted", "s3:&#x2f;&#x2f;evidence", "By standard"]
    {
        assert!(first.contains(part), "{part} is not in\n{first}");
    }
    let controls = page(&server, &format!("/{}", link(&first, "controls")));
    let control = page(&server, &format!("/{}", link(&controls, "A.8.12")));
    assert!(control.contains("Stop leaks of data") && control.contains("Looked at with gaps"));
    let of_check = link(&control, "findings?check=aws.s3.not_public");
    let findings = page(&server, of_check.strip_prefix("../..").unwrap());
    assert!(findings.contains("Whoever finds the name of a public bucket"));
    let finding = page(&server, &format!("/{}", link(&findings, "resource=invoices")));
    for part in ["zstd -dc v1&#x2f;objects", "AllUsers", "Web shop team", "The resource, as it was read"] {
        assert!(finding.contains(part), "{part} is not in\n{finding}");
    }
}

#[test]
fn findings_are_filtered_and_turned_page_by_page() {
    let (server, desk) = full();
    let many = (0..120).map(|index| {
        let mut one = sample::findings().swap_remove(0);
        one.resource = format!("bucket-{index:03}");
        one
    });
    *desk.others.lock().unwrap() = Some(many.collect());
    let first = page(&server, "/findings?verdict=fail&severity=&check=&resource=bucket");
    assert_eq!(first.matches("<tr class=\"v-fail\"").count(), 50);
    assert!(first.contains("bucket-000") && first.contains("<option value=\"fail\" selected>"));
    let next = link(&first, "cursor=");
    assert!(next.contains("verdict=fail") && next.contains("resource=bucket"), "{next}");
    let second = page(&server, &format!("/{next}"));
    assert!(second.contains("bucket-050") && !second.contains("bucket-049"));
    let last = page(&server, &format!("/{}", link(&second, "cursor=")));
    assert_eq!(last.matches("<tr class=\"v-fail\"").count(), 20);
    assert!(last.contains("First page") && !last.contains("Next page"));
    assert!(page(&server, "/findings?resource=bucket-007").contains("bucket-007"));
    assert!(page(&server, "/findings?severity=low").contains("No finding of this run fits."));
}

#[test]
fn every_page_is_there_with_a_run_and_without() {
    let (server, _) = full();
    for target in ["/", "/controls", "/checks", "/findings", "/timeline", "/coverage", "/trust", "/?anything"] {
        page(&server, target);
    }
    let (server, _) = crate::client::server();
    for target in ["/", "/controls", "/checks", "/timeline", "/coverage", "/trust"] {
        assert!(page(&server, target).contains("There is no run yet"), "{target}");
    }
    assert_eq!(get(&server, "/findings").status, 404);
}

#[test]
fn what_is_wrong_is_a_page_that_says_so() {
    let (server, desk) = full();
    for (target, status, detail) in [
        ("/findings?verdict=bad", 400, "verdict: pass, fail, unknown"),
        ("/findings?nothing=1", 400, "There is no parameter"),
        ("/findings?cursor=x", 404, "no such place"),
        ("/finding?check=a.b", 400, "is missing"),
        ("/controls/iso27001-2022/A.9.99", 404, "No enabled catalogue has this control."),
        ("/controls/A/%3Cscript%3E", 400, "catalog"),
        ("/timeline?x=1", 400, "There is no parameter"),
        ("/findings?account=%3Cscript%3Ealert(1)", 200, "No finding of this run fits"),
    ] {
        let reply = get(&server, target);
        assert_eq!(reply.status, status, "{target}");
        assert!(reply.body.contains(detail), "{target}: {}", reply.body);
        harmless(&reply);
    }
    let lost = "/finding?check=a.b&resource=x&provider=aws&account=1&region=global&kind=a.b";
    assert_eq!(get(&server, lost).status, 404);
    *desk.not_ready.lock().unwrap() = true;
    *desk.trouble.lock().unwrap() = Trouble::Fail(DeskError::Away("The store is away.".into()));
    let first = page(&server, "/");
    assert!(first.contains("not ready") && first.contains("The store is away.") && first.contains("doctor"));
}

#[test]
fn names_that_mean_harm_are_text_in_every_page() {
    let (server, _) = full();
    let all = page(&server, "/findings");
    assert!(all.contains("&lt;script&gt;alert(1)"), "it is still to be read");
    let finding = page(&server, &format!("/{}", link(&all, "script")));
    assert!(finding.contains("&lt;script&gt;alert(1)"));
    let spool = page(&server, "/");
    assert!(spool.contains("&lt;script&gt;alert(1)"));
}
