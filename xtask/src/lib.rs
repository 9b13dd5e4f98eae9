//! The third-party servers that the demo and the end-to-end tests run against, and the small tools to talk to them.

pub mod http;
pub mod installed;
pub mod peers;
pub mod venv;

pub use peers::{Azurite, Certomancer, Dsse, FakeGcs, Interchange, Ministack, Moto, Proxy, Retaining, S3sFs};
