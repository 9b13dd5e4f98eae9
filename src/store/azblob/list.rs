//! Listing a container with all versions and by folders, which the SDK's own listing does not.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{ClientOptions, Context, Method, Pipeline, Request, Url};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::trouble;
use crate::remote::{Page, Trouble, Version};

/// The version of the service's interface that this asks for.
const API: &str = "2021-12-02";
/// Whom a token is for.
const SCOPE: &str = "https://storage.azure.com/.default";

/// Lists one container.
pub(super) struct Lister {
    container: Url,
    pipeline: Pipeline,
}

impl Lister {
    pub(super) fn new(container: Url, token: Option<Arc<dyn TokenCredential>>, options: ClientOptions) -> Self {
        let token = token.map(|token| Arc::new(BearerTokenAuthorizationPolicy::new(token, vec![SCOPE])));
        let policies = token.into_iter().map(|policy| policy as Arc<dyn Policy>).collect();
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            options,
            Vec::new(),
            policies,
            None,
        );
        Self { container, pipeline }
    }

    /// One page of names with every version ("List Blobs" in Azure's reference).
    pub(super) async fn page(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble> {
        let mut request = Request::new(self.url(prefix, folders, after), Method::Get);
        request.insert_header("x-ms-version", API);
        let answer = self.pipeline.send(&Context::default(), &mut request, None).await;
        let answer = answer.map_err(|error| trouble(&error, "Storage Blob Data Reader"))?;
        parse(&answer.into_body())
    }

    fn url(&self, prefix: &str, folders: bool, after: Option<&str>) -> Url {
        let mut url = self.container.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("restype", "container").append_pair("comp", "list").append_pair("include", "versions");
        query.append_pair("prefix", prefix);
        if folders {
            query.append_pair("delimiter", "/");
        }
        if let Some(marker) = after {
            query.append_pair("marker", marker);
        }
        drop(query);
        url
    }
}

fn parse(body: &[u8]) -> Result<Page, Trouble> {
    let listed: Listed = azure_core::xml::from_xml(body)
        .map_err(|error| Trouble::Away(format!("the store's listing cannot be read: {error}")))?;
    let mut page = Page { next: listed.next_marker.filter(|marker| !marker.is_empty()), ..Page::default() };
    for item in listed.blobs.items {
        match item {
            Item::BlobPrefix(folder) => page.folders.push(folder.name),
            Item::Blob(blob) => page.versions.push(Version {
                at: blob.version_id.as_deref().and_then(moment).unwrap_or_default(),
                key: blob.name,
                marker: false,
                superseded: blob.version_id.is_some() && blob.is_current_version != Some(true),
                id: blob.version_id,
            }),
        }
    }
    Ok(page)
}

/// A version's id is the moment it was written at.
fn moment(version: &str) -> Option<i64> {
    version.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    blobs: Blobs,
    next_marker: Option<String>,
}

#[derive(Default, Deserialize)]
struct Blobs {
    #[serde(rename = "$value", default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
enum Item {
    Blob(Blob),
    BlobPrefix(Folder),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: String,
    version_id: Option<String>,
    is_current_version: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Folder {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_versions_stand_between_each_other() {
        let xml = br#"<?xml version="1.0" encoding="utf-8"?>
            <EnumerationResults ServiceEndpoint="https://acme.blob.core.windows.net/" ContainerName="evidence">
              <Prefix>v1/</Prefix><Delimiter>/</Delimiter>
              <Blobs>
                <Blob><Name>v1/a</Name><VersionId>2026-01-01T00:00:00.0000001Z</VersionId><Properties/></Blob>
                <BlobPrefix><Name>v1/b/</Name></BlobPrefix>
                <Blob><Name>v1/a</Name><VersionId>2026-01-02T00:00:00.0000000Z</VersionId>
                  <IsCurrentVersion>true</IsCurrentVersion><Properties><Etag>0x1</Etag></Properties></Blob>
                <Blob><Name>v1/c</Name></Blob>
              </Blobs>
              <NextMarker>more</NextMarker>
            </EnumerationResults>"#;
        let page = parse(xml).unwrap();
        assert_eq!(page.folders, ["v1/b/"]);
        assert_eq!(page.next.as_deref(), Some("more"));
        let seen: Vec<_> = page.versions.iter().map(|version| (version.key.as_str(), version.superseded)).collect();
        assert_eq!(seen, [("v1/a", true), ("v1/a", false), ("v1/c", false)]);
        assert!(page.versions[0].at < page.versions[1].at);
        let empty = br"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
        let page = parse(empty).unwrap();
        assert!(page.versions.is_empty() && page.next.is_none());
    }
}
