//! The suite that every store passes: create-only, whole, readable, and inside its root.

use evidenced_model::{Put, SinkError};

use crate::Store;

/// Runs the suite over an empty store. Names the rule that is broken.
///
/// # Panics
/// If the store breaks a rule.
pub async fn suite(store: &dyn Store) {
    suite_without_races(store).await;
    races(store).await;
}

/// The suite without its races, for a server that looks first and writes then.
///
/// # Panics
/// If the store breaks a rule.
pub async fn suite_without_races(store: &dyn Store) {
    create_only(store).await;
    reads_back(store).await;
    copies(store).await;
    lists(store).await;
    refuses_foreign_names(store).await;
    store.lock().await.unwrap_or_else(|error| panic!("a store says how it locks: {error}"));
}

async fn create_only(store: &dyn Store) {
    for path in ["v1/objects/ab/first.bin", "v1/log/agent/000000000000.dsse.json"] {
        assert_eq!(store.put(path, b"one".to_vec()).await, Ok(Put::Written), "a new file is written");
        assert_eq!(store.put(path, b"one".to_vec()).await, Ok(Put::AlreadyThere), "equal bytes count as written");
        for other in ["two", "on", "one more", ""] {
            let exists = SinkError::Exists { path: path.to_owned() };
            let put = store.put(path, other.as_bytes().to_vec()).await;
            assert_eq!(put, Err(exists), "other bytes are refused, and the file is named");
        }
        let there = store.archive().read(path, 100);
        assert_eq!(there, Ok(Some(b"one".to_vec())), "what is there stays as it was");
    }
}

async fn reads_back(store: &dyn Store) {
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    for (path, bytes) in [("v1/objects/cd/large.bin", large), ("v1/objects/cd/empty.bin", Vec::new())] {
        assert_eq!(store.put(path, bytes.clone()).await, Ok(Put::Written));
        assert_eq!(store.archive().read(path, 3_000_000), Ok(Some(bytes)), "a file is read back as it was written");
    }
    let archive = store.archive();
    assert!(archive.read("v1/objects/cd/large.bin", 2_999_999).is_err(), "a limit is a limit");
    assert_eq!(archive.read("v1/objects/cd/nothing.bin", 1), Ok(None), "what is not there is no error");
    assert_eq!(archive.read("v1/objects/cd/large.bin/deeper", 1), Ok(None), "nothing is below a file");
}

async fn copies(store: &dyn Store) {
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("a temporary file: {error}"));
    let file = file.into_temp_path();
    let write = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap_or_else(|error| panic!("{error}"));
    let large: Vec<u8> = (0..5_000_000_u32).map(|index| (index % 241) as u8).collect();
    write(&large);
    let path = "v1/objects/ef/copied.bin";
    assert_eq!(store.put_file(path, &file).await, Ok(Put::Written), "a file of the disk is written");
    assert_eq!(store.put_file(path, &file).await, Ok(Put::AlreadyThere), "equal bytes count as written");
    assert_eq!(store.put(path, large.clone()).await, Ok(Put::AlreadyThere), "however they were written");
    write(&large[..4_999_999]);
    let exists = SinkError::Exists { path: path.to_owned() };
    assert_eq!(store.put_file(path, &file).await, Err(exists), "other bytes are refused");
    assert_eq!(store.archive().read(path, 5_000_000), Ok(Some(large)), "what is there stays as it was");
    file.close().unwrap_or_else(|error| panic!("{error}"));
    let file = std::path::Path::new("there/is/no/such/file");
    assert!(store.put_file("v1/objects/ef/gone.bin", file).await.is_err(), "a file that is not there is an error");
    assert_eq!(store.archive().read("v1/objects/ef/gone.bin", 1), Ok(None));
}

async fn lists(store: &dyn Store) {
    for path in ["v1/lists/b/deep/er.bin", "v1/lists/a.bin", "v1/lists/c.bin"] {
        assert_eq!(store.put(path, b"x".to_vec()).await, Ok(Put::Written));
    }
    let archive = store.archive();
    let names = |folder: &str| archive.list(folder);
    let expected: Vec<String> = ["a.bin", "b/", "c.bin"].map(str::to_owned).into();
    assert_eq!(
        names("v1/lists/"),
        Ok(expected.clone()),
        "names are sorted, folders end in a slash, nothing else shows"
    );
    assert_eq!(names("v1/lists"), Ok(expected), "the slash at the end may be left out");
    assert_eq!(names("v1/nothing/"), Ok(Vec::new()), "what is not there is empty");
}

async fn refuses_foreign_names(store: &dyn Store) {
    let long = "x".repeat(300);
    let names = [
        "",
        "/",
        "/etc/x",
        "../x",
        "v1/../../x",
        "v1//x",
        "v1/x/",
        "v1/./x",
        "v1/.hidden",
        "v1\\x",
        "c:x",
        "v1/a b",
        "v1/\u{e9}",
        "v1/\n",
        "v1/\0",
        &long,
    ];
    for path in names {
        let put = store.put(path, b"x".to_vec()).await;
        assert!(matches!(put, Err(SinkError::Refused { .. })), "{path:?} is not a name of ours, and gave {put:?}");
        assert!(store.archive().read(path, 1).is_err() || path.is_empty(), "{path:?} is not read either");
    }
}

async fn races(store: &dyn Store) {
    let path = "v1/log/agent/000000000001.dsse.json";
    let (one, two) = tokio::join!(store.put(path, b"one".to_vec()), store.put(path, b"two".to_vec()));
    let winner = match (&one, &two) {
        (Ok(Put::Written), Err(SinkError::Exists { .. })) => b"one",
        (Err(SinkError::Exists { .. }), Ok(Put::Written)) => b"two",
        both => panic!("of two writers one wins, and the other is told: {both:?}"),
    };
    assert_eq!(store.archive().read(path, 100), Ok(Some(winner.to_vec())));
}
