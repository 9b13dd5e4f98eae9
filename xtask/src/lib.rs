//! The third-party servers that the demo and the end-to-end tests run against, and the small tools to talk to them.

pub mod http;
pub mod installed;
pub mod peers;
pub mod venv;

pub use peers::{
    AzureModels, Azurite, Certomancer, Dsse, FakeGcs, Interchange, Issuer, Ministack, Moto, Proxy, Replay, Retaining,
    S3sFs,
};
