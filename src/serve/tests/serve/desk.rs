//! A desk that holds everything in memory, and can be told to be troublesome.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};

use evidenced_model::{
    CatalogId, Cause, CheckId, ControlId, ControlStanding, Digest, Finding, LogHead, ObjectiveCount, ObjectiveId,
    Provider, RunId, RunStatus, Scope, Severity, Standing, Strength, Tally, Totals, Verdict, VerdictCounts,
};
use evidenced_report::Report;
use evidenced_report::period::Period;
use evidenced_serve::{
    ConfigStatus, Controls, Desk, DeskError, EvidenceAge, FindingKey, FindingsQuery, Page, Paged, Readiness, Reason,
    RunSummary, ScheduleStatus, SlotStatus, SpoolStatus, StartRequest, Started, Status, StoredFinding,
};
use jiff::Timestamp;
use serde_json::value::RawValue;

/// Markup and invisible characters, where foreign text may stand.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\u{202e}\"'&\u{0}";

/// What goes wrong with the next question that may take its time.
#[derive(Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    Panic,
    Fail(DeskError),
    /// Waits at the gate, and says here that it is there.
    Hang(Sender<()>),
}

/// Holds whoever waits until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

/// The desk.
#[derive(Default)]
pub(crate) struct StandIn {
    pub(crate) trouble: Mutex<Trouble>,
    pub(crate) gate: Gate,
    /// How many questions came that may take their time.
    pub(crate) asked: AtomicUsize,
    pub(crate) not_ready: Mutex<bool>,
    pub(crate) metrics: Mutex<Option<String>>,
    pub(crate) started: Mutex<Vec<StartRequest>>,
    /// More of each finding, for answers that are long.
    pub(crate) padding: Mutex<usize>,
    /// Other findings than the usual ones.
    pub(crate) others: Mutex<Option<Vec<Finding>>>,
    /// The newest run, as pages show it.
    pub(crate) report: Mutex<Option<Arc<Report>>>,
    /// How things stood over time.
    pub(crate) period: Mutex<Option<Arc<Period>>>,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let open = self.opened.wait_while(self.open.lock().unwrap(), |open| !*open);
        drop(open.unwrap());
    }
}

impl StandIn {
    fn all(&self) -> Vec<Finding> {
        let others = self.others.lock().unwrap().clone();
        others.unwrap_or_else(|| findings(*self.padding.lock().unwrap()))
    }

    fn trouble(&self) -> Result<(), DeskError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let trouble = std::mem::take(&mut *self.trouble.lock().unwrap());
        match trouble {
            Trouble::None => {}
            Trouble::Panic => panic!("the desk was told to panic"),
            Trouble::Fail(error) => return Err(error),
            Trouble::Hang(here) => {
                here.send(()).unwrap();
                self.gate.pass();
            }
        }
        Ok(())
    }
}

impl Desk for StandIn {
    fn readiness(&self) -> Readiness {
        let reason = Reason {
            code: "overdue".into(),
            schedule: Some("hourly".into()),
            since: time("2026-07-01T11:00:00Z"),
            what: "The run that was due at 11:00 is not there. See evidenced doctor.".into(),
        };
        let not_ready = *self.not_ready.lock().unwrap();
        Readiness { ready: !not_ready, reasons: if not_ready { vec![reason] } else { vec![] } }
    }

    fn status(&self) -> Arc<Status> {
        let runs = runs();
        let newest = &runs[0];
        let slot = SlotStatus { due: newest.start, ended: newest.end, run: newest.run, status: newest.status };
        let schedule = |name: &str, last| ScheduleStatus {
            name: name.into(),
            running: None,
            last,
            next: Some(time("2026-07-01T13:00:00Z")),
            missed: 0,
            overdue_seconds: 0,
        };
        Arc::new(Status {
            agent: "prod-eu".into(),
            since: time("2026-07-01T00:00:00Z"),
            version: "1.2.3".into(),
            head: newest.head,
            store: "s3://evidence.example.com/prod".into(),
            schedules: vec![schedule("daily", None), schedule("hourly", Some(slot))],
            spool: SpoolStatus { limit_bytes: 10 << 30, error: Some(HOSTILE.into()), ..SpoolStatus::default() },
            evidence: vec![EvidenceAge {
                provider: provider(),
                account: "123456789012".into(),
                collected: newest.end,
                age_seconds: 3600,
                run: newest.run,
            }],
            run: Some(newest.clone()),
            config: ConfigStatus { loaded: time("2026-07-01T00:00:00Z"), error: None },
        })
    }

    fn metrics(&self) -> String {
        self.metrics.lock().unwrap().clone().unwrap_or_else(|| "evidenced_ready 1\n".to_owned())
    }

    fn runs(&self, page: Page) -> Result<Paged<RunSummary>, DeskError> {
        self.trouble()?;
        let runs = runs();
        let begin = match &page.cursor {
            None => 0,
            Some(cursor) => {
                let place = runs.iter().position(|run| run.run.to_string() == *cursor);
                place.ok_or_else(|| DeskError::Missing("The list has no such place.".into()))?
            }
        };
        let next = runs.get(begin + page.limit).map(|run| run.run.to_string());
        Ok(Paged { items: runs.into_iter().skip(begin).take(page.limit).collect(), next })
    }

    fn run(&self, run: RunId) -> Result<Option<RunSummary>, DeskError> {
        self.trouble()?;
        Ok(runs().into_iter().find(|own| own.run == run))
    }

    fn controls(&self, catalog: Option<&CatalogId>) -> Result<Controls, DeskError> {
        self.trouble()?;
        if catalog.is_some_and(|catalog| catalog.as_str() != "iso27001-2022") {
            return Err(DeskError::Missing("This catalogue is not enabled.".into()));
        }
        Ok(standing(controls()))
    }

    fn control(&self, control: &ControlId, catalog: Option<&CatalogId>) -> Result<Controls, DeskError> {
        self.trouble()?;
        let wanted = |own: &ControlStanding| own.control == *control && catalog.is_none_or(|it| *it == own.catalog);
        Ok(standing(controls().into_iter().filter(wanted).collect()))
    }

    fn findings(&self, query: &FindingsQuery) -> Result<Paged<Box<RawValue>>, DeskError> {
        self.trouble()?;
        let shown = self.report.lock().unwrap().as_ref().map(|report| report.run);
        if query.run.is_some_and(|run| shown != Some(run) && !runs().iter().any(|own| own.run == run)) {
            return Err(DeskError::Missing("The log does not name this run.".into()));
        }
        let findings: Vec<_> = self.all().into_iter().filter(|finding| fits(query, finding)).collect();
        let begin = match &query.page.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .ok()
                .filter(|place| *place < findings.len())
                .ok_or_else(|| DeskError::Missing("The list has no such place.".into()))?,
        };
        let end = begin.saturating_add(query.page.limit);
        let items = findings.iter().skip(begin).take(query.page.limit);
        let items = items.map(|finding| RawValue::from_string(serde_json::to_string(finding).unwrap()).unwrap());
        Ok(Paged { items: items.collect(), next: (end < findings.len()).then(|| end.to_string()) })
    }

    fn finding(&self, key: &FindingKey) -> Result<Option<StoredFinding>, DeskError> {
        self.trouble()?;
        let named = |finding: &Finding| {
            let scope = &finding.scope;
            let place = (&scope.provider, &scope.account, &scope.region) == (&key.provider, &key.account, &key.region);
            place && finding.check == key.check && finding.kind == key.kind && finding.resource == key.resource
        };
        let Some(finding) = self.all().into_iter().find(named) else { return Ok(None) };
        let mut line = Vec::new();
        finding.write_line(&mut line);
        let object = "v1/objects/3f/3f2a9c1d5be7604811aa22bb33cc44dd55ee66ff778899001122334455667788.jsonl.zst";
        let resource = serde_json::json!({ "id": finding.resource, "kind": finding.kind, "fields": finding.observed });
        Ok(Some(StoredFinding {
            run: runs()[0].run,
            line: String::from_utf8(line).unwrap(),
            object: object.to_owned(),
            resource: Some((format!("{resource}\n"), object.replace("3f", "aa"))),
        }))
    }

    fn report(&self) -> Result<Option<Arc<Report>>, DeskError> {
        self.trouble()?;
        Ok(self.report.lock().unwrap().clone())
    }

    fn period(&self) -> Result<Option<Arc<Period>>, DeskError> {
        Ok(self.period.lock().unwrap().clone())
    }

    fn start(&self, request: StartRequest) -> Result<Started, DeskError> {
        self.trouble()?;
        if request.schedule.as_ref().is_some_and(|name| !["daily", "hourly"].contains(&name.as_str())) {
            return Err(DeskError::Missing("There is no such schedule.".into()));
        }
        let mut started = self.started.lock().unwrap();
        started.push(request);
        Ok(Started { before: started.len() as u64 - 1 })
    }
}

fn fits(query: &FindingsQuery, finding: &Finding) -> bool {
    (query.verdicts.is_empty() || query.verdicts.contains(&finding.verdict))
        && (query.severities.is_empty() || query.severities.contains(&finding.severity))
        && query.provider.as_ref().is_none_or(|provider| *provider == finding.scope.provider)
        && query.account.as_ref().is_none_or(|account| *account == finding.scope.account)
        && query.check.as_ref().is_none_or(|check| glob(check, finding.check.as_str()))
        && query.resource.as_ref().is_none_or(|resource| glob(resource, &finding.resource))
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| glob(rest, &text[at..]))
}

/// Three runs, newest first.
pub(crate) fn runs() -> Vec<RunSummary> {
    let run = |run: &str, schedule: Option<&str>, status, logged: bool| RunSummary {
        run: run.parse().unwrap(),
        agent: "prod-eu".into(),
        schedule: schedule.map(str::to_owned),
        due: schedule.map(|_| time("2026-07-01T11:00:00Z")),
        start: time("2026-07-01T11:00:02Z"),
        end: time("2026-07-01T11:05:02Z"),
        status,
        totals: Totals {
            calls: 120,
            findings: VerdictCounts { fail: 1, not_applicable: 1, pass: 1, unknown: 1 },
            gaps: 1,
            resources: 4,
            scopes: 2,
        },
        head: logged.then(|| LogHead { digest: Digest::of(b"an entry"), index: 41 }),
    };
    vec![
        run("01ARZ3NDEKTSV4RRFFQ69G5FAX", Some("hourly"), RunStatus::Partial, true),
        run("01ARZ3NDEKTSV4RRFFQ69G5FAW", None, RunStatus::Complete, true),
        run("01ARZ3NDEKTSV4RRFFQ69G5FAV", Some("daily"), RunStatus::Complete, false),
    ]
}

fn standing(controls: Vec<ControlStanding>) -> Controls {
    let newest = runs().swap_remove(0);
    Controls { run: Some(newest.run), collected: Some(newest.end), age_seconds: Some(3600), controls }
}

fn controls() -> Vec<ControlStanding> {
    let control = |number: &str, standing, label: &str| ControlStanding {
        catalog: CatalogId::parse("iso27001-2022").unwrap(),
        control: ControlId::parse(number).unwrap(),
        counts: Tally { fail: 1, pass: 2, ..Tally::default() },
        label: label.into(),
        left_to_people: "Whether it is followed.".into(),
        objectives: vec![ObjectiveCount {
            counts: Tally { fail: 1, pass: 2, ..Tally::default() },
            objective: ObjectiveId::parse("crypto.keys-rotate").unwrap(),
            strength: Strength::Partial,
            undeclared: vec![],
        }],
        providers: BTreeMap::from([(provider(), standing)]),
        standing,
    };
    vec![
        control("A.5.1", Standing::Manual, HOSTILE),
        control("A.8.24", Standing::Contradicted, "Use of cryptography"),
        control("A.8.9", Standing::Supported, "Configuration management"),
    ]
}

fn findings(padding: usize) -> Vec<Finding> {
    let finding = |verdict, resource: &str| Finding {
        because: match verdict {
            Verdict::Unknown => vec![evidenced_model::Because {
                call: Some("kms:GetKeyRotationStatus".into()),
                cause: Cause::Denied,
                field: "rotates".into(),
                permission: Some("kms:GetKeyRotationStatus".into()),
            }],
            _ => vec![],
        },
        check: CheckId::parse("aws.kms.rotation").unwrap(),
        check_sha256: Digest::of(b"a check"),
        kind: evidenced_model::KindId::parse("aws.kms.key").unwrap(),
        objective: ObjectiveId::parse("crypto.keys-rotate").unwrap(),
        observed: serde_json::Map::from_iter([("rotates".to_owned(), serde_json::Value::Null)]),
        resource: format!("{resource}{}", "x".repeat(padding)),
        rests_on: vec![],
        revision: 1,
        scope: Scope {
            account: evidenced_model::Account::parse("123456789012").unwrap(),
            provider: provider(),
            region: evidenced_model::Region::parse("eu-central-1").unwrap(),
        },
        severity: Severity::Medium,
        verdict,
        waiver: (verdict == Verdict::Fail).then(|| evidenced_model::WaiverRef { id: "W-1".into() }),
    };
    vec![
        finding(Verdict::Fail, "arn:aws:kms:eu-central-1:123456789012:key/1"),
        finding(Verdict::Pass, HOSTILE),
        finding(Verdict::Unknown, "arn:aws:kms:eu-central-1:123456789012:key/2"),
        finding(Verdict::NotApplicable, "arn:aws:kms:eu-central-1:123456789012:key/3"),
    ]
}

fn provider() -> Provider {
    Provider::parse("aws").unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
