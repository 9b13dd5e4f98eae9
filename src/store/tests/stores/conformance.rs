//! The one suite, over every store.

use evidenced_store::conformance::{suite, suite_without_races};
use evidenced_store::{AzureKey, Options};
use xtask::{Azurite, FakeGcs, Ministack, S3sFs};

use crate::support::{Insider, account_key, azurite, moto, open, options, target};

#[tokio::test(flavor = "multi_thread")]
async fn s3_on_moto() {
    let moto = moto();
    Insider::new(&moto.url()).bucket("evidence", false).await;
    suite(&*open("s3://evidence/some/prefix", &options(&moto.url()))).await;
    suite(&*open("s3://evidence", &options(&moto.url()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_on_ministack() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("plain", false).await;
    insider.bucket("locked", true).await;
    suite(&*open("s3://plain/prefix", &options(&ministack.url()))).await;
    suite(&*open("s3://locked/prefix", &options(&ministack.url()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_on_s3s_fs_which_checks_signatures() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("evidence")).unwrap();
    let server = S3sFs::start(target(), folder.path()).unwrap();
    let mut options = options(&server.url());
    suite_without_races(&*open("s3://evidence/prefix", &options)).await;

    options.aws.as_mut().unwrap().secret = "another".to_owned();
    let refused = open("s3://evidence/prefix", &options).put("v1/x", b"x".to_vec()).await.unwrap_err().to_string();
    assert!(refused.contains("credentials"), "{refused}");
    assert!(!refused.contains("another"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn azblob_on_azurite() {
    let (azurite, options) = azurite();
    let url = format!("azblob://{}/evidence/some/prefix", Azurite::ACCOUNT);
    suite(&*open(&url, &options)).await;

    let azure = AzureKey { account_key: Some(account_key()), ..AzureKey::default() };
    let refused = open(&url, &Options { azure, ..options }).put("v1/x", b"x".to_vec()).await.unwrap_err().to_string();
    assert!(refused.contains("not this account's"), "{refused}");
    drop(azurite);
}

#[tokio::test(flavor = "multi_thread")]
async fn gcs_on_fake_gcs_server() {
    let server = FakeGcs::start(target()).unwrap();
    server.bucket("evidence", "").unwrap();
    suite(&*open("gs://evidence/some/prefix", &options(&server.url()))).await;
}
