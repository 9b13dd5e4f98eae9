//! The endpoint over a desk in memory, for tools that test what a server promises: `stand_in [ADDRESS] [FINDINGS]`.
//! With a number of findings it has a run and a period to show.
//!
//! Prints its port as the first line of standard output, and ends when standard input is closed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example that talks to whoever starts it")]

#[expect(dead_code, reason = "nobody troubles the desk here")]
#[path = "../tests/serve/desk.rs"]
mod desk;
#[path = "../../report/tests/report/period.rs"]
mod period;
#[expect(dead_code, reason = "the sample of the report's tests has more than is needed here")]
#[path = "../../report/tests/report/sample.rs"]
mod sample;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{CatalogId, FixedClock, Provider, Severity, Standing, Verdict};
use evidenced_serve::{Desk as _, Metrics, Outcome, RunEnd, ServeConfig, Server, Token};

fn main() {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut config = ServeConfig::new(listen.parse().unwrap());
    config.token = Some(Token::new("example-token-0123456789").unwrap());
    let desk = Arc::new(desk::StandIn::default());
    *desk.metrics.lock().unwrap() = Some(metrics(&desk).encode());
    if let Some(many) = std::env::args().nth(2) {
        fill(&desk, many.parse().unwrap());
    }
    let server = Server::bind(config, desk).unwrap();
    println!("{}", server.address().port());
    _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Gives the desk the sample of the report, and more of its findings.
fn fill(desk: &desk::StandIn, many: usize) {
    let usual = sample::findings();
    let mut findings = usual.clone();
    for index in usual.len()..many {
        let mut one = usual[index % usual.len()].clone();
        one.resource = format!("{}-{index}", one.resource);
        findings.push(one);
    }
    *desk.others.lock().unwrap() = Some(findings);
    *desk.report.lock().unwrap() = Some(Arc::new(sample::rich()));
    *desk.period.lock().unwrap() = Some(Arc::new(period::period()));
}

/// Every metric that there is, with what the desk says.
fn metrics(desk: &desk::StandIn) -> Metrics {
    let status = desk.status();
    let metrics = Metrics::new(&status.version, Arc::new(FixedClock("2026-07-01T12:00:00Z".parse().unwrap())));
    let provider = Provider::parse("aws").unwrap();
    metrics.set_readiness(&desk.readiness());
    metrics.set_schedules(&status.schedules);
    metrics.set_evidence(&status.evidence);
    metrics.set_spool(&status.spool);
    metrics.set_log_index(41);
    metrics.run_ended(Some("hourly"), RunEnd::Partial, Some(Duration::from_mins(5)));
    metrics.run_ended(None, RunEnd::Complete, Some(Duration::from_secs(7)));
    metrics.slots_missed("hourly", 1);
    metrics.set_findings(&BTreeMap::from([((Verdict::Fail, Severity::High), 1), ((Verdict::Pass, Severity::Low), 2)]));
    metrics.set_gaps(&BTreeMap::from([(provider.clone(), 1)]));
    metrics.set_resources(4);
    metrics.set_controls(&BTreeMap::from([((CatalogId::parse("iso27001-2022").unwrap(), Standing::Supported), 1)]));
    metrics.calls(&provider, "kms", Outcome::Ok, 120);
    metrics.calls(&provider, "kms", Outcome::Denied, 1);
    metrics.pushed(true);
    metrics.config_reloaded(true);
    metrics.notified("ops", false);
    metrics.set_clock_skew(Some(120));
    metrics
}
