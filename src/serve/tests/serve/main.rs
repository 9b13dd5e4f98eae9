//! The endpoint over real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod contract;
mod desk;
mod doors;
mod hostile;
mod pages;
#[path = "../../../report/tests/report/period.rs"]
mod period;
mod pressure;
mod routes;
#[expect(dead_code, reason = "the sample of the report's tests has more than is needed here")]
#[path = "../../../report/tests/report/sample.rs"]
mod sample;
mod stopping;
