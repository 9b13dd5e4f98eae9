//! Somebody with all rights over the store and no key: what he writes over or deletes is still read, and named.

use evidenced_store::{Limits, open_archive};
use xtask::Ministack;

use crate::support::{Insider, moto, open, options, read, remarks, target};

const ENTRY: &str = "v1/log/agent/000000000000.dsse.json";
const OBJECT: &str = "v1/objects/ab/x.bin";

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_of_deletion_hides_nothing() {
    let (moto, ministack) = (moto(), Ministack::start(target()).unwrap());
    for endpoint in [moto.url(), ministack.url()] {
        let insider = Insider::new(&endpoint);
        insider.bucket("evidence", true).await;
        let store = open("s3://evidence/prod", &options(&endpoint));
        for path in [ENTRY, OBJECT] {
            store.put(path, b"one".to_vec()).await.unwrap();
            insider.delete("evidence", &format!("prod/{path}")).await;
        }
        let archive = open_archive("s3://evidence/prod", &options(&endpoint)).unwrap();
        // Told by the answer itself, without a listing before.
        assert_eq!(read(&*archive, OBJECT).as_deref(), Some(&b"one"[..]), "{endpoint}");
        assert_eq!(archive.list("v1/log/agent").unwrap(), ["000000000000.dsse.json"]);
        assert_eq!(read(&*archive, ENTRY).as_deref(), Some(&b"one"[..]));
        for path in [ENTRY, OBJECT] {
            let said = remarks(&*archive, path);
            assert!(said.len() == 1 && said[0].contains("was deleted"), "{path}: {said:?}");
        }
        assert_eq!(read(&*archive, "v1/objects/ab/never.bin"), None);
        assert_eq!(archive.remarks().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_valid_version_is_read() {
    let (moto, ministack) = (moto(), Ministack::start(target()).unwrap());
    for endpoint in [moto.url(), ministack.url()] {
        let insider = Insider::new(&endpoint);
        insider.bucket("evidence", true).await;
        let store = open("s3://evidence", &options(&endpoint));
        store.put(ENTRY, b"one".to_vec()).await.unwrap();
        insider.overwrite("evidence", ENTRY, b"forged").await;
        insider.overwrite("evidence", ENTRY, b"forged again").await;

        let archive = open_archive("s3://evidence", &options(&endpoint)).unwrap();
        assert_eq!(read(&*archive, ENTRY).as_deref(), Some(&b"forged again"[..]), "nobody has looked yet");
        let original = archive.original(ENTRY, 100, &|bytes| bytes == b"one").unwrap();
        assert_eq!(original.as_deref(), Some(&b"one"[..]), "{endpoint}");
        assert_eq!(read(&*archive, ENTRY).as_deref(), Some(&b"one"[..]), "now the oldest is known");
        let said = remarks(&*archive, ENTRY);
        assert!(said.len() == 1 && said[0].contains("written over 2 times"), "{said:?}");

        // Junk that came first, and was deleted so that ours could be written, is not what counts.
        insider.overwrite("evidence", OBJECT, b"junk").await;
        insider.delete("evidence", OBJECT).await;
        store.put(OBJECT, b"ours".to_vec()).await.unwrap();
        assert_eq!(archive.original(OBJECT, 100, &|bytes| bytes == b"ours").unwrap().unwrap(), b"ours");
        assert_eq!(archive.original(OBJECT, 100, &|_| false).unwrap().unwrap(), b"junk", "else the oldest at all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_names_are_named_and_not_read() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", false).await;
    for key in ["v1/log/a b", "v1/log//x", "v1/log/.hidden", "v1/log/agent/x"] {
        insider.overwrite("evidence", key, b"x").await;
    }
    let archive = open_archive("s3://evidence", &options(&ministack.url())).unwrap();
    assert_eq!(archive.list("v1/log/").unwrap(), ["agent/"]);
    assert!(!remarks(&*archive, "v1/log/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_listings_are_read_to_their_end() {
    let ministack = Ministack::start(target()).unwrap();
    let insider = Insider::new(&ministack.url());
    insider.bucket("evidence", true).await;
    let store = open("s3://evidence", &options(&ministack.url()));
    let files = (0..1100).map(|n| evidenced_store::Upload::new(format!("v1/log/a/{n:012}.x"), 1, || Ok(vec![0])));
    let uploaded = evidenced_store::put_all(&*store, files, Limits::default(), &mut |_, _| ()).await.unwrap();
    assert_eq!(uploaded.written, 1100);
    insider.delete("evidence", "v1/log/a/000000001099.x").await;
    let archive = store.archive();
    let names = archive.list("v1/log/a").unwrap();
    assert_eq!((names.len(), names.last().unwrap().as_str()), (1100, "000000001099.x"));
    assert_eq!(archive.remarks().len(), 1);
}
