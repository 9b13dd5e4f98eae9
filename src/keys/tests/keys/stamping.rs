//! Authorities: a real one over HTTP, with openssl as the judge of what we store; and others that do not stamp.

use std::future::Future;
use std::path::Path;
use std::process::Command;

use evidenced_keys::timestamp::{Authorities, StampError};
use evidenced_seal::timestamp::{Anchors, check, token_path};
use xtask::Certomancer;

use crate::server::Server;

const SIGNATURE: &[u8] = b"the bytes of a signature";

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

fn authorities(urls: &[String], anchors: Option<Anchors>) -> Authorities {
    Authorities::new(urls, None, anchors, || 0x1234_5678_9abc_def0).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_real_authority_stamps_and_openssl_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    let anchors = Anchors::from_pem(authority.root(), "root.pem").unwrap();
    let stamped = run(authorities(&[authority.url()], Some(anchors.clone())).stamp(SIGNATURE)).unwrap();
    assert_eq!(check(&stamped.token, SIGNATURE, Some(&anchors)), Ok(stamped.stamp.clone()));
    assert!(stamped.stamp.authority.contains("Time-stamp authority"), "{:?}", stamped.stamp);
    assert!(check(&stamped.token, b"other", Some(&anchors)).is_err());
    let stored = token_path("v1/runs/a/2026/11/25/x/run.dsse.json", &stamped.token);
    assert!(stored.starts_with("v1/runs/a/2026/11/25/x/run.") && stored.rsplit('.').next() == Some("tsr"), "{stored}");
    // The stored token, as anybody could check it: chain and bytes, without us.
    for (name, bytes) in
        [("token.tsr", &stamped.token[..]), ("data", SIGNATURE), ("ca.pem", authority.root().as_bytes())]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let openssl = |data: &str| {
        let arguments = ["ts", "-verify", "-in", "token.tsr", "-data", data, "-CAfile", "ca.pem"];
        let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
        output.status.success()
    };
    assert!(openssl("data"));
    assert!(!openssl("ca.pem"));
    // Whoever trusts somebody else does not take it.
    let other = Certomancer::start(target(), tempfile::tempdir().unwrap().path()).map(|other| other.root().to_owned());
    let other = Anchors::from_pem(&other.unwrap(), "other.pem").unwrap();
    let error = run(authorities(&[authority.url()], Some(other)).stamp(SIGNATURE)).unwrap_err();
    assert!(error.to_string().contains("does not lead to a trusted authority"), "{error}");
}

#[test]
fn the_next_authority_is_asked_when_one_does_not_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    let busy = Server::start(|_| (503, "text/plain", b"busy".to_vec()));
    let page = Server::start(|_| (200, "text/html", b"<html>sign in</html>".to_vec()));
    let flood = Server::start(|_| (200, "application/timestamp-reply", vec![0; 1 << 20]));
    let nobody = "http://127.0.0.1:1/".to_owned();
    let mut urls = vec![nobody, busy.url(), page.url(), flood.url()];
    let error = run(authorities(&urls, None).stamp(SIGNATURE)).unwrap_err();
    let StampError::Pending(reasons) = &error else { panic!("{error:?}") };
    for word in ["127.0.0.1:1/", "it answered 503", "not an RFC 3161 answer", "larger than 65536 bytes"] {
        assert!(reasons.contains(word), "{word}: {reasons}");
    }
    urls.push(authority.url());
    let stamped = run(authorities(&urls, None).stamp(SIGNATURE)).unwrap();
    assert_eq!(stamped.url, authority.url());
    let each = run(authorities(&urls, None).try_each(SIGNATURE));
    assert_eq!(each.iter().filter(|(_, answer)| answer.is_ok()).count(), 1);
}

#[test]
fn an_answer_to_another_request_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    let first = run(authorities(&[authority.url()], None).stamp(SIGNATURE)).unwrap().token;
    // Somebody in between answers everything with what he once heard.
    let replay = Server::start(move |_| (200, "application/timestamp-reply", first.clone()));
    let other = Authorities::new(&[replay.url()], None, None, || 7).unwrap();
    let error = run(other.stamp(SIGNATURE)).unwrap_err();
    assert!(error.to_string().contains("nonce"), "{error}");
    let error = run(authorities(&[replay.url()], None).stamp(b"other")).unwrap_err();
    assert!(error.to_string().contains("other bytes"), "{error}");
    // Under a policy that is not the authority's.
    let policy = Authorities::new(&[authority.url()], Some("1.2.3.4"), None, || 7).unwrap();
    match run(policy.stamp(SIGNATURE)) {
        Ok(stamped) => assert_eq!(stamped.stamp.policy, "1.2.3.4"),
        Err(error) => assert!(error.to_string().contains("policy"), "{error}"),
    }
}

#[test]
fn slips_are_told_before_anybody_is_asked() {
    let new = |url: &str, policy: Option<&str>| Authorities::new(&[url.to_owned()], policy, None, || 7).unwrap_err();
    for url in ["freetsa", "ftp://example.com/tsr", "https://user:secret@example.com/tsr", "http://"] {
        let error = new(url, None);
        assert!(matches!(error, StampError::Url { .. }), "{url}: {error}");
    }
    assert!(new("http://tsa.example.com/", Some("policy")).to_string().contains("object identifier"));
}
