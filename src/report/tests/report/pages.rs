//! The page of a run with its period, the page of a period alone, and the pages that the daemon serves.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::io::Read as _;

use base64::Engine as _;
use evidenced_model::Verdict;
use evidenced_report::period::{ChangeCause, Period};
use evidenced_report::{
    Filter, FindingPage, FindingsPage, Limits, Live, LiveAge, LiveReason, LiveSchedule, Report, ReportBuilder, Served,
    ServedPage, html, html_period, serve,
};
use serde_json::{Value, json};

use crate::hostile::{HOSTILE, acts};
use crate::period::{at, change, fail, period};
use crate::sample::{OBJECT, coverage, evidence, finding, findings, header, page, rich, standings, texts};
use crate::structure::read;

/// The page of a period alone.
pub(crate) fn over_time() -> String {
    alone(&period())
}

fn alone(period: &Period) -> String {
    let mut out = Vec::new();
    html_period(period, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The page of a run with its period.
pub(crate) fn with_period() -> String {
    both(&rich(), &period())
}

fn both(report: &Report, period: &Period) -> String {
    let mut out = Vec::new();
    html(report, Some(period), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The packed table of a page.
pub(crate) fn island(html: &str) -> &str {
    let (_, data) = html.split_once("id=\"rows\">").unwrap();
    data.split_once("</script>").unwrap().0
}

fn unpacked(html: &str) -> Value {
    let packed = base64::engine::general_purpose::STANDARD.decode(island(html)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A column that is written as values with how often each stands in a row.
fn spread(column: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for pair in column.as_array().unwrap() {
        all.extend(std::iter::repeat_n(pair[0].clone(), usize::try_from(pair[1].as_u64().unwrap()).unwrap()));
    }
    all
}

/// A period in which every text means harm.
fn hostile_period() -> Period {
    let joined = HOSTILE.join(" ");
    let mut period = period();
    period.store.clone_from(&joined);
    period.cautions = HOSTILE.map(str::to_owned).to_vec();
    for fails in HOSTILE {
        let mut one = fail(fails, 3, None);
        one.owner = Some(fails.to_owned());
        one.waived = vec![(fails.to_owned(), at(4, 0))];
        one.observed.insert(fails.to_owned(), evidenced_report::Shown::Whole(Value::String(fails.to_owned())));
        period.fails.shown.push(one);
        let mut one = change(fails, 5, Verdict::Pass, Verdict::Fail, ChangeCause::Cloud);
        one.observed_after.insert(fails.to_owned(), evidenced_report::Shown::Whole(Value::String(fails.to_owned())));
        period.changes.shown.push(one);
    }
    for hole in &mut period.schedules[0].holes {
        hole.reason = Some(joined.clone());
    }
    period.schedules[0].schedule.clone_from(&joined);
    period.schedules[0].cron = Some(joined.clone());
    period.agents[0].versions[0].version.clone_from(&joined);
    period.holes[0].permissions = HOSTILE.map(str::to_owned).to_vec();
    period.holes[0].fields = HOSTILE.map(str::to_owned).to_vec();
    let waiver = &mut period.waivers[0];
    for text in [&mut waiver.id, &mut waiver.approved_by, &mut waiver.reason, &mut waiver.expires] {
        text.clone_from(&joined);
    }
    waiver.ticket = Some(joined.clone());
    waiver.end = Some(joined.clone());
    let attachment = &mut period.attachments[0];
    for text in [&mut attachment.title, &mut attachment.file, &mut attachment.by] {
        text.clone_from(&joined);
    }
    attachment.valid_until = Some(joined.clone());
    period.upgrades[0].params = vec![joined.clone()];
    period.upgrades[0].versions = Some((joined.clone(), joined.clone()));
    let catalog = &mut period.catalogs[0];
    catalog.title.clone_from(&joined);
    catalog.provisional = Some(joined.clone());
    for control in &mut catalog.controls {
        for text in [&mut control.label, &mut control.left_to_people] {
            text.clone_from(&joined);
        }
        control.owner = Some(joined.clone());
        control.excluded_because = Some(joined.clone());
        for objective in &mut control.objectives {
            objective.sentence.clone_from(&joined);
        }
        for gap in &mut control.together.gaps {
            gap.what.clone_from(&joined);
        }
    }
    for check in &mut period.checks {
        check.title.clone_from(&joined);
    }
    period
}

/// Whether a page holds nothing that acts, and nothing of the elements that pages of ours do not have.
fn harmless(html: &str, scripts: usize) {
    let known = [page(&rich()), over_time(), with_period()]
        .into_iter()
        .flat_map(|html| read(&html).unwrap())
        .map(|(name, _)| name);
    let known: BTreeSet<String> = known.chain(["datalist".to_owned()]).collect();
    let elements = read(html).unwrap();
    for (name, attributes) in &elements {
        assert!(known.contains(name), "{name} is an element of their own");
        assert!(!attributes.iter().any(|(name, _)| name.starts_with("on") || name == "style"), "{attributes:?}");
        for (attribute, value) in attributes {
            assert!(attribute != "href" || !value.to_lowercase().contains("javascript:"), "{value}");
        }
    }
    assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), scripts);
    assert!(!html.contains(acts), "something acts");
    assert!(!html.contains("49{%"), "a template was filled in");
    assert!(html.contains("&lt;script&gt;alert(1)"), "it is still to be read");
}

#[test]
fn names_do_no_harm_in_any_page() {
    let period = hostile_period();
    harmless(&alone(&period), 1);
    let report = crate::hostile::report();
    harmless(&both(&report, &period), 2);
    let live = hostile_live();
    let list = crate::hostile::findings();
    let parts = FindingsPage {
        run: report.run,
        filter: Filter { check: HOSTILE[1].to_owned(), resource: HOSTILE[2].to_owned(), ..Filter::default() },
        findings: list.clone(),
        next: Some(HOSTILE[0].to_owned()),
        later: true,
    };
    let pages = [
        ServedPage::Overview,
        ServedPage::Controls,
        ServedPage::Checks,
        ServedPage::Findings(&parts),
        ServedPage::Timeline,
    ];
    for page in pages.into_iter().chain([ServedPage::Coverage, ServedPage::Trust]) {
        let served = serve(page, &live, Some(&report), Some(&period)).unwrap().unwrap();
        harmless(&served.html, usize::from(matches!(page, ServedPage::Overview)));
    }
    for finding in list {
        let stored = serde_json::to_string(&finding).unwrap();
        let one = FindingPage {
            run: report.run,
            resource_line: Some(HOSTILE.join("\n")),
            resource_object: Some(HOSTILE[3].to_owned()),
            object: HOSTILE[1].to_owned(),
            line: format!("{stored} {}", HOSTILE[0]),
            finding,
        };
        harmless(&serve(ServedPage::Finding(&one), &live, Some(&report), Some(&period)).unwrap().unwrap().html, 0);
    }
}

fn hostile_live() -> Live {
    let joined = HOSTILE.join(" ");
    let mut live = Live::new(&joined, &joined, at(0, 0));
    live.reasons = vec![LiveReason::new(&joined, Some(&joined), at(1, 0))];
    live.config_error = Some(joined.clone());
    live.store.clone_from(&joined);
    live.waits(1, 2, 3, 4).spool_error = Some(joined.clone());
    live.schedules = vec![LiveSchedule::new(&joined, None, 0, Some((at(2, 0), &joined)), None, 0)];
    live.evidence = vec![LiveAge::new("aws", &joined, at(2, 0), 3600, &joined)];
    live.away = Some(joined);
    live
}

#[test]
fn the_table_holds_every_finding_worst_first() {
    let data = unpacked(&with_period());
    let verdicts = spread(&data["verdict"]);
    let resources = data["resource"].as_array().unwrap();
    assert_eq!((verdicts.len(), resources.len()), (findings().len(), findings().len()));
    let mut wanted: Vec<String> = findings().into_iter().map(|finding| finding.resource).collect();
    let mut held: Vec<String> = resources.iter().map(|resource| resource.as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (verdicts[0].as_str(), held[0].as_str()),
        (Some("fail"), "backups-of-the-old-shop-with-a-rather-long-name")
    );
    assert_eq!(verdicts.last().unwrap(), "not_applicable");
    wanted.sort();
    held.sort();
    assert_eq!(held, wanted);
    // Since when and whose: by the period.
    let place = resources.iter().position(|resource| resource == "invoices").unwrap();
    assert_eq!(spread(&data["since"])[place], "before 2025-12-23");
    let owner = usize::try_from(spread(&data["owner"])[place].as_u64().unwrap()).unwrap();
    assert_eq!(data["owners"][owner - 1], "Web shop team");
    assert_eq!(data["objects"][usize::try_from(data["object"][place].as_u64().unwrap()).unwrap() - 1], OBJECT);
}

#[test]
fn where_there_are_too_many_findings_passes_are_left_out_before_fails_and_said_to_be() {
    let limits = Limits { rows: 100, ..Limits::default() };
    let mut report = ReportBuilder::new(header(), limits);
    texts(&mut report);
    for index in 0..400 {
        let verdict = [Verdict::Pass, Verdict::Fail, Verdict::NotApplicable, Verdict::Unknown][index % 4];
        let name = format!("bucket-{index}");
        report
            .finding(&finding("aws.s3.not_public", "storage.not-public", &name, verdict, &json!({})), Some(evidence()));
    }
    let html = page(&report.finish());
    assert!(spread(&unpacked(&html)["verdict"]).iter().all(|verdict| verdict == "fail"));
    assert!(html.contains("300 findings have no row here"));
}

#[test]
fn a_file_stays_small_whatever_the_names_are() {
    let mut report = ReportBuilder::new(header(), Limits::default());
    for account in coverage() {
        report.coverage(&account);
    }
    report.controls(standings());
    for index in 0..16_000_u32 {
        // Nothing packs worse than digests.
        let digest = |part: u32| evidenced_model::Digest::of(&(index * 8 + part).to_be_bytes()).to_string();
        let name: String = (0..8).map(digest).collect();
        let check = format!("aws.s3.check_{}", index % 300);
        report.finding(
            &finding(&check, "storage.not-public", &name, Verdict::Fail, &json!({ "v": &name[..300] })),
            Some(evidence()),
        );
    }
    let html = page(&report.finish());
    assert!(html.len() < 5 << 20, "{} bytes", html.len());
    assert!(html.contains("findings have no row here"));
    let rows = unpacked(&html)["resource"].as_array().unwrap().len();
    assert!((8_000..16_000).contains(&rows), "{rows}");
}

fn served(page: ServedPage<'_>) -> Served {
    let mut live = Live::new("prod-eu", "1.2.3", at(0, 0));
    live.ready = true;
    serve(page, &live, Some(&rich()), Some(&period())).unwrap().unwrap()
}

#[test]
fn the_daemon_serves_the_sections_of_the_file() {
    let control = ("iso27001-2022".parse().unwrap(), "A.8.12".parse().unwrap());
    for (page, parts) in [
        (ServedPage::Overview, &["By standard", "What is failing", "findings?check=aws.s3.not_public"][..]),
        (ServedPage::Controls, &["controls&#x2f;iso27001-2022&#x2f;A.8.12", "class=\"span\""]),
        (
            ServedPage::Control(&control.0, &control.1),
            &["..&#x2f;..&#x2f;findings?check=aws.s3.not_public", "Looked at with gaps", "url(#hatch)"],
        ),
        (ServedPage::Checks, &["Whoever finds the name", "findings?check=aws.kms.rotation&amp;verdict=pass"]),
        (ServedPage::Timeline, &["Slots of the schedules", "144 of 160 slots have a run"]),
        (ServedPage::Coverage, &["s3:GetBucketPolicy", "still open"]),
        (ServedPage::Trust, &["How to verify", "W-7", "ran out 2026-01-15"]),
    ] {
        let served = served(page);
        read(&served.html).unwrap();
        for part in parts {
            assert!(served.html.contains(part), "{page:?} without {part}");
        }
        assert!(!served.html.to_lowercase().contains("compliant"), "{page:?}");
        assert!(served.policy.contains("default-src 'none'") && !served.policy.contains("unsafe"), "{}", served.policy);
        assert!(served.html.contains("aria-current=\"page\""), "{page:?}");
    }
    let live = Live::new("prod-eu", "1.2.3", at(0, 0));
    let none = "A.9.99".parse().unwrap();
    assert!(serve(ServedPage::Control(&control.0, &none), &live, Some(&rich()), None).unwrap().is_none());
    let nothing = serve(ServedPage::Controls, &live, None, None).unwrap().unwrap();
    assert!(nothing.html.contains("There is no run yet"));
}

#[test]
fn a_finding_leads_to_its_stored_line() {
    let finding = findings().swap_remove(0);
    let mut line = Vec::new();
    finding.write_line(&mut line);
    let line = String::from_utf8(line).unwrap();
    let page = FindingPage {
        run: rich().run,
        object: OBJECT.to_owned(),
        line: line.clone(),
        resource_line: None,
        resource_object: None,
        finding,
    };
    let html = served(ServedPage::Finding(&page)).html;
    for part in [
        "zstd -dc v1&#x2f;objects",
        "before 2025-12-23",
        "Web shop team",
        &evidenced_model::Digest::of(line.as_bytes()).to_string(),
        "AllUsers",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}

#[test]
fn a_hole_is_seen_and_never_called_good() {
    let html = over_time();
    assert!(html.matches("fill=\"url(#hatch)\"").count() > 10);
    for part in ["nobody looked", "12 missed", "4 skipped", "contradicted at some look", "continuously looked at"] {
        assert!(html.to_lowercase().contains(part), "{part}");
    }
    assert!(!html.to_lowercase().contains("compliant"));
}
