//! Locks: proved where there are any, and an error at the start where there are none.

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use evidenced_model::manifest::LockMode;
use evidenced_model::{Clock as _, Put, SinkError};
use evidenced_store::{GRACE_DAYS, Lock, Options, Retention};
use xtask::{Azurite, FakeGcs, Ministack, Retaining, S3sFs};

use crate::support::{Insider, Now, azurite, locked, moto, open, options, target};

#[tokio::test(flavor = "multi_thread")]
async fn a_compliance_lock_keeps_every_version() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", true).await;
    let store = open("s3://evidence/prod", &locked(&ministack.url(), LockMode::Compliance, 30));
    let lock = Lock { days: Some(30), mode: LockMode::Compliance, store: "s3" };
    assert_eq!(store.lock().await, Ok(lock));
    assert_eq!(store.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::Written));

    let probe = store.probe("first").await.unwrap();
    assert!(probe.overwrite_refused && probe.delete_refused, "{probe:?}");
    assert_eq!(probe.mode, LockMode::Compliance);
    let days = (probe.locked_until.unwrap().as_second() - Now.now().as_second()) / 86_400;
    assert!((i64::from(30 + GRACE_DAYS) - 1..=i64::from(30 + GRACE_DAYS)).contains(&days), "{days}");

    let key = "prod/v1/objects/ab/x.bin";
    insider.overwrite("evidence", key, b"two").await;
    let versions = insider.versions("evidence", key).await;
    assert_eq!(versions.len(), 2);
    let delete = insider.0.delete_object().bucket("evidence").key(key);
    let oldest = versions.last().unwrap();
    assert!(delete.version_id(oldest).bypass_governance_retention(true).send().await.is_err(), "it is locked");
    assert_eq!(store.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::AlreadyThere), "it is there still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_renewed_on_the_version_that_counts() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", true).await;
    let short = open("s3://evidence/a", &locked(&ministack.url(), LockMode::Governance, 1));
    short.put("v1/objects/ab/x.bin", b"one".to_vec()).await.unwrap();
    insider.overwrite("evidence", "a/v1/objects/ab/x.bin", b"two").await;
    let long = open("s3://evidence/a", &locked(&ministack.url(), LockMode::Governance, 100));
    long.renew("v1/objects/ab/x.bin").await.unwrap();
    let versions = insider.versions("evidence", "a/v1/objects/ab/x.bin").await;
    let head = insider.0.head_object().bucket("evidence").key("a/v1/objects/ab/x.bin");
    let head = head.version_id(versions.last().unwrap()).send().await.unwrap();
    let days = (head.object_lock_retain_until_date.unwrap().secs() - Now.now().as_second()) / 86_400;
    assert!(days >= 189, "{days}");
    let missing = long.renew("v1/objects/ab/gone.bin").await;
    assert!(matches!(missing, Err(SinkError::Refused { .. })), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_again_after_years_is_locked_anew() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", true).await;
    let until = async || {
        let head = insider.0.head_object().bucket("evidence").key("a/v1/objects/ab/x.bin").send().await.unwrap();
        head.object_lock_retain_until_date.unwrap().secs()
    };
    let short = open("s3://evidence/a", &locked(&ministack.url(), LockMode::Governance, 1));
    assert_eq!(short.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::Written));
    let first = until().await;
    assert_eq!(short.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::AlreadyThere));
    assert_eq!(until().await, first, "it is locked for longer than the retention still");
    let long = open("s3://evidence/a", &locked(&ministack.url(), LockMode::Governance, 100));
    assert_eq!(long.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::AlreadyThere));
    assert!(until().await >= first + 98 * 86_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_a_lock_is_an_error_at_the_start_that_names_the_remedy() {
    let moto = moto();
    let ministack = Ministack::start(target()).unwrap();
    for endpoint in [moto.url(), ministack.url()] {
        let insider = Insider::new(&endpoint);
        insider.bucket("evidence", false).await;
        let store = open("s3://evidence", &locked(&endpoint, LockMode::Compliance, 30));
        for refused in [store.lock().await.unwrap_err(), store.put("v1/x", b"x".to_vec()).await.unwrap_err()] {
            let SinkError::Refused { reason, .. } = refused else { panic!("{refused}") };
            assert!(reason.contains("no Object Lock") && reason.contains("docs/stores.md"), "{reason}");
        }
        assert_eq!(store.archive().read("v1/x", 10), Ok(None), "nothing was written");
        assert_eq!(open("s3://evidence", &options(&endpoint)).lock().await.unwrap().mode, LockMode::None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_locks_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("evidence")).unwrap();
    let server = S3sFs::start(target(), folder.path()).unwrap();
    let store = open("s3://evidence", &locked(&server.url(), LockMode::Governance, 30));
    let refused = store.lock().await.unwrap_err().to_string();
    assert!(refused.contains("cannot lock"), "{refused}");

    let store = open("s3://evidence", &options(&server.url()));
    let probe = store.probe("first").await.unwrap();
    assert!(probe.overwrite_refused && !probe.delete_refused, "{probe:?}");
    assert_eq!((probe.mode, probe.locked_until), (LockMode::None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bucket_locks_by_itself_is_told() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", true).await;
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(7).build();
    let rule = ObjectLockRule::builder().default_retention(retention).build();
    let configuration =
        ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule).build();
    let put = insider.0.put_object_lock_configuration().bucket("evidence");
    put.object_lock_configuration(configuration).send().await.unwrap();
    let lock = open("s3://evidence", &options(&ministack.url())).lock().await.unwrap();
    assert_eq!(lock, Lock { days: Some(7), mode: LockMode::Governance, store: "s3" });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_lock_is_an_error_at_the_start() {
    let (_azurite, options) = azurite();
    let url = format!("azblob://{}/evidence", Azurite::ACCOUNT);
    let retention = Some(Retention { mode: LockMode::Compliance, days: 30 });
    let store = open(&url, &Options { retention, ..options.clone() });
    for refused in [store.lock().await.unwrap_err(), store.put("v1/x", b"x".to_vec()).await.unwrap_err()] {
        let SinkError::Refused { reason, .. } = refused else { panic!("{refused}") };
        assert!(reason.contains("no version-level immutability") && reason.contains("docs/stores.md"), "{reason}");
    }
    let store = open(&url, &options);
    assert_eq!(store.lock().await, Ok(Lock { days: None, mode: LockMode::None, store: "azblob" }));
    let probe = store.probe("first").await.unwrap();
    assert!(probe.overwrite_refused && !probe.delete_refused && probe.locked_until.is_none(), "{probe:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_of_objects_in_a_google_bucket_is_read_back_and_renewed() {
    let server = FakeGcs::start(target()).unwrap();
    server.bucket("evidence", "").unwrap();
    let refused = open("gs://evidence", &locked(&server.url(), LockMode::Compliance, 30)).lock().await.unwrap_err();
    assert!(refused.to_string().contains("no object retention"), "the server itself does not say so: {refused}");

    let retaining = Retaining::start(&server).unwrap();
    let store = open("gs://evidence/prod", &locked(&retaining.url(), LockMode::Compliance, 30));
    assert_eq!(store.lock().await, Ok(Lock { days: Some(30), mode: LockMode::Compliance, store: "gcs" }));
    assert_eq!(store.put("v1/objects/ab/x.bin", b"one".to_vec()).await, Ok(Put::Written));
    let probe = store.probe("first").await.unwrap();
    let days = |until: jiff::Timestamp| (until.as_second() - Now.now().as_second()) / 86_400;
    assert_eq!((probe.mode, probe.overwrite_refused), (LockMode::Compliance, true));
    assert!((119..=120).contains(&days(probe.locked_until.unwrap())), "{probe:?}");
    store.renew("v1/objects/ab/x.bin").await.unwrap();
    assert!(matches!(store.renew("v1/objects/ab/gone.bin").await, Err(SinkError::Refused { .. })));
}
