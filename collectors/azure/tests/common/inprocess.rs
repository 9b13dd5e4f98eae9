//! The replay server's world without a network.

use std::sync::Mutex;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use evidenced_replay::{Asked, World};

/// Answers from a world, and remembers what was asked: host, path and query.
pub(crate) struct InProcess {
    world: World,
    /// Every URL that was asked.
    pub(crate) asked: Mutex<Vec<String>>,
}

impl InProcess {
    pub(crate) fn new(world: World) -> Self {
        Self { world, asked: Mutex::default() }
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

#[async_trait]
impl HttpClient for InProcess {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.asked.lock().expect("nobody panics here").push(request.url().to_string());
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::SeekableStream(_) => Vec::new(),
        };
        let reply = self.world.answer(&Asked::new(request.method().as_str(), &request.path_and_query(), &body));
        let mut headers = Headers::new();
        for (name, value) in reply.headers {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(reply.status), headers, reply.body))
    }
}
