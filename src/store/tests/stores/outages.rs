//! A store that is away for a while, loses answers, breaks off or hangs: written once, read whole, or told clearly.

use std::time::Duration;

use evidenced_model::{Put, SinkError};
use evidenced_store::Options;
use xtask::venv::Venv;
use xtask::{Moto, Proxy};

use crate::support::{Insider, moto, open, options, target};

async fn served() -> (Moto, Proxy) {
    let moto = moto();
    Insider::new(&moto.url()).bucket("evidence", true).await;
    let proxy = Proxy::start(&Venv::ensure(target(), "moto").unwrap(), moto.port()).unwrap();
    (moto, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_survives_errors_and_lost_answers() {
    let (moto, proxy) = served().await;
    let store = open("s3://evidence", &options(&proxy.url()));
    let insider = Insider::new(&moto.url());
    for (rule, put) in [
        ("error,slow,", Put::Written),
        ("reset,", Put::Written),
        ("throttle,", Put::Written),
        ("lose,", Put::AlreadyThere),
        ("slow,lose,", Put::AlreadyThere),
    ] {
        proxy.rules(&[("s3:PutObject", rule)]).unwrap();
        let path = format!("v1/objects/{}.bin", rule.replace(',', "-"));
        assert_eq!(store.put(&path, rule.as_bytes().to_vec()).await, Ok(put), "{rule}");
        assert_eq!(insider.versions("evidence", &path).await.len(), 1, "{rule}: written exactly once");
        let other = store.put(&path, b"other".to_vec()).await;
        assert_eq!(other, Err(SinkError::Exists { path }), "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_one_request_and_so_is_one_that_is_missing() {
    let (_moto, proxy) = served().await;
    let store = open("s3://evidence", &options(&proxy.url()));
    // The first request of a store is to find out where its bucket is.
    store.put("v1/objects/ab/first.bin", b"x".to_vec()).await.unwrap();
    proxy.rules(&[]).unwrap();
    store.put("v1/objects/ab/x.bin", b"x".to_vec()).await.unwrap();
    assert_eq!(proxy.seen().unwrap(), [("s3:PutObject".to_owned(), 1)].into());
    proxy.rules(&[]).unwrap();
    assert_eq!(store.archive().read("v1/objects/ab/gone.bin", 10), Ok(None));
    assert_eq!(store.archive().read("v1/objects/ab/x.bin", 10), Ok(Some(b"x".to_vec())));
    // Not every server with an endpoint of its own tells a deleted file from none, so that versions are asked for too.
    let seen = [("s3:GetObject".to_owned(), 2), ("s3:ListObjectVersions".to_owned(), 1)];
    assert_eq!(proxy.seen().unwrap(), seen.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_goes_on_where_the_line_broke() {
    let (_moto, proxy) = served().await;
    let store = open("s3://evidence", &options(&proxy.url()));
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    store.put("v1/objects/ab/x.bin", bytes.clone()).await.unwrap();
    for rule in ["truncate,", "error,truncate,", "reset,truncate,truncate,"] {
        proxy.rules(&[("s3:GetObject", rule)]).unwrap();
        let read = store.archive().read("v1/objects/ab/x.bin", 1 << 20).unwrap();
        assert!(read.as_ref() == Some(&bytes), "{rule}: {:?} bytes", read.map(|read| read.len()));
    }
    proxy.rules(&[("s3:GetObject", "truncate")]).unwrap();
    assert!(store.archive().read("v1/objects/ab/x.bin", 1 << 20).is_err(), "what never ends is not taken for whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_away_is_away_and_what_is_refused_names_the_remedy() {
    let (_moto, proxy) = served().await;
    let quick = Options { timeout: Duration::from_millis(300), ..options(&proxy.url()) };
    let store = open("s3://evidence", &quick);
    for (rule, says) in [("slow", "SlowDown"), ("error", "InternalError"), ("hold", "no answer"), ("reset", "reached")]
    {
        proxy.rules(&[("s3:PutObject", rule)]).unwrap();
        let away = store.put("v1/x", b"x".to_vec()).await.unwrap_err();
        let SinkError::Away { reason, .. } = &away else { panic!("{rule}: {away}") };
        assert!(reason.contains(says), "{rule}: {reason}");
        assert!(proxy.seen().unwrap()["s3:PutObject"] <= 4, "{rule}: few attempts");
    }
    proxy.rules(&[("s3:PutObject", "deny")]).unwrap();
    let refused = store.put("v1/x", b"x".to_vec()).await.unwrap_err();
    assert!(matches!(&refused, SinkError::Refused { reason, .. } if reason.contains("s3:PutObject")), "{refused}");
    assert_eq!(proxy.seen().unwrap()["s3:PutObject"], 1, "a refusal is not tried again");

    proxy.rules(&[]).unwrap();
    let missing = open("s3://no-such-bucket", &options(&proxy.url()));
    let refused = missing.put("v1/x", b"x".to_vec()).await.unwrap_err();
    assert!(matches!(&refused, SinkError::Refused { reason, .. } if reason.contains("NoSuchBucket")), "{refused}");
    assert!(missing.archive().read("v1/x", 1).is_err(), "a bucket that is not there is not an empty one");

    let nobody = open("s3://evidence", &options("http://127.0.0.1:9"));
    assert!(matches!(nobody.put("v1/x", b"x".to_vec()).await, Err(SinkError::Away { .. })));
    let unnamed = open("s3://evidence", &options("http://store.invalid"));
    assert!(matches!(unnamed.put("v1/x", b"x".to_vec()).await, Err(SinkError::Away { .. })));
}
