//! Listing a bucket with all versions, so that nothing that was written over or deleted stays unseen.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::error::trouble;
use crate::remote::{Page, Trouble, Version};

/// Between the two markers of a page, and before those of a listing without versions.
const MARK: char = '\n';

/// One page of versions; one without, where the store has none or hides them.
pub(super) async fn page(
    client: &Client,
    bucket: &str,
    prefix: &str,
    folders: bool,
    after: Option<&str>,
) -> Result<Page, Trouble> {
    if let Some(token) = after.and_then(|after| after.strip_prefix(MARK)) {
        return plain(client, bucket, prefix, folders, Some(token)).await;
    }
    let (key, version) = after.map(|after| after.rsplit_once(MARK).unwrap_or((after, ""))).unzip();
    let listed = client
        .list_object_versions()
        .bucket(bucket)
        .prefix(prefix)
        .encoding_type(EncodingType::Url)
        .set_delimiter(folders.then(|| "/".to_owned()))
        .set_key_marker(key.map(str::to_owned))
        .set_version_id_marker(version.filter(|version| !version.is_empty()).map(str::to_owned))
        .send()
        .await;
    let listed = match listed.map_err(|error| trouble(&error, "s3:ListBucketVersions")) {
        Ok(listed) => listed,
        Err(Trouble::Unsupported(_)) => return plain(client, bucket, prefix, folders, None).await,
        Err(Trouble::Refused(reason)) => {
            tracing::warn!(bucket, reason, "versions cannot be listed, so that what was deleted would not be seen");
            return plain(client, bucket, prefix, folders, None).await;
        }
        Err(trouble) => return Err(trouble),
    };
    let encoded = listed.encoding_type.is_some();
    let name = |key: Option<String>| decode(&key.unwrap_or_default(), encoded);
    let markers = listed.delete_markers.unwrap_or_default().into_iter().map(|marker| Version {
        at: marker.last_modified.map_or(0, |at| at.secs()),
        key: name(marker.key),
        id: marker.version_id,
        marker: true,
        superseded: marker.is_latest != Some(true),
    });
    let versions = listed.versions.unwrap_or_default().into_iter().map(|version| Version {
        at: version.last_modified.map_or(0, |at| at.secs()),
        key: name(version.key),
        id: version.version_id,
        marker: false,
        superseded: version.is_latest != Some(true),
    });
    let folders = listed.common_prefixes.unwrap_or_default().into_iter().map(|folder| name(folder.prefix)).collect();
    let next = (listed.is_truncated == Some(true)).then(|| {
        let key = listed.next_key_marker.map(|key| decode(&key, encoded)).unwrap_or_default();
        format!("{key}{MARK}{}", listed.next_version_id_marker.unwrap_or_default())
    });
    Ok(Page { versions: markers.chain(versions).collect(), folders, next })
}

/// One page of names.
async fn plain(
    client: &Client,
    bucket: &str,
    prefix: &str,
    folders: bool,
    token: Option<&str>,
) -> Result<Page, Trouble> {
    let listed = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .encoding_type(EncodingType::Url)
        .set_delimiter(folders.then(|| "/".to_owned()))
        .set_continuation_token(token.map(str::to_owned))
        .send()
        .await;
    let listed = listed.map_err(|error| trouble(&error, "s3:ListBucket"))?;
    let encoded = listed.encoding_type.is_some();
    let name = |key: Option<String>| decode(&key.unwrap_or_default(), encoded);
    let versions = listed.contents.unwrap_or_default().into_iter();
    let versions = versions
        .map(|object| Version { at: 0, key: name(object.key), id: None, marker: false, superseded: false })
        .collect();
    let folders = listed.common_prefixes.unwrap_or_default().into_iter().map(|folder| name(folder.prefix)).collect();
    let next =
        (listed.is_truncated == Some(true)).then(|| format!("{MARK}{}", token_of(listed.next_continuation_token)));
    Ok(Page { versions, folders, next })
}

fn token_of(token: Option<String>) -> String {
    token.unwrap_or_default()
}

/// A name as it was given; the store encodes it where it says so, with `+` for a blank.
fn decode(name: &str, encoded: bool) -> String {
    if !encoded {
        return name.to_owned();
    }
    percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned()
}
