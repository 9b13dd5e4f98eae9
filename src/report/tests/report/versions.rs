//! Runs of two versions of the program in one period: both are named, and where the one became the other.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::sync::Arc;

use evidenced_model::{AgentId, Assurance, LockMode, RunId, RunStatus, Shard, Totals};
use evidenced_report::period::{PeriodBuilder, PeriodLimits, Rules, RunFacts};
use jiff::Timestamp;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + 3600 * hour).unwrap()
}

fn facts(hour: i64, version: &str) -> RunFacts {
    let assurance = Assurance {
        account_owns_key: None,
        account_owns_store: None,
        key: "file".to_owned(),
        lock: LockMode::None,
        lock_days: None,
        store: "folder".to_owned(),
        timestamped: false,
    };
    RunFacts {
        run: RunId::from_parts(1_767_225_600_000 + u64::try_from(hour).unwrap(), 1),
        at: at(hour),
        status: RunStatus::Complete,
        totals: Totals::default(),
        due: Some(at(hour)),
        late: false,
        version: version.to_owned(),
        sha256: None,
        suspect: false,
        shard: Shard::default(),
        assurance,
        read: BTreeSet::new(),
    }
}

#[test]
fn runs_of_two_versions_are_told_apart() {
    let mut builder = PeriodBuilder::new(at(0), at(6), "store", PeriodLimits::default());
    let stream = builder.stream(AgentId::parse("prod").unwrap(), Some("hourly".to_owned()));
    let (old, new) = (Arc::new(Rules::default()), Arc::new(Rules::default()));
    for hour in 0..6 {
        let (version, rules) = if hour < 4 { ("1.0.0", &old) } else { ("1.1.0", &new) };
        builder.begin_run(stream, facts(hour, version), rules, None);
        builder.end_run(stream);
    }
    let period = builder.finish(at(6));
    let spans: Vec<_> =
        period.agents[0].versions.iter().map(|span| (span.version.as_str(), span.first, span.runs)).collect();
    assert_eq!(spans, [("1.0.0", at(0), 4), ("1.1.0", at(4), 2)]);
    let upgrade = &period.upgrades[0];
    assert_eq!((upgrade.at, &upgrade.versions), (at(4), &Some(("1.0.0".to_owned(), "1.1.0".to_owned()))));
    assert_eq!((period.upgrades.len(), upgrade.rejudged, upgrade.verdicts), (1, false, 0));
}
