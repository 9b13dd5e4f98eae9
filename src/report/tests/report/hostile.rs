//! Names and values that somebody chose to do harm with.

use evidenced_model::{Because, Cause, Finding, Verdict, WaiverRef};
use evidenced_report::{FindingsCsv, Limits, Report, ReportBuilder, Style, summary, text};
use serde_json::json;

use crate::sample::{ACCOUNT, check, coverage, document, evidence, finding, header, page, standings, texts};
use crate::structure::read;

pub(crate) const HOSTILE: [&str; 16] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script><!--",
    "]]><!-- --!> <![CDATA[",
    "a\nb\r\nc\td",
    "\x1b[2J\x1b[31mred\x1b]8;;http://example.com\x07link\x1b]8;;\x07",
    "\u{9b}31m\u{85}\u{7f}\0\x08",
    "\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}",
    "\u{fffd}\u{fffe}\u{fdd0}\u{10ffff}",
    "=HYPERLINK(\"http://example.com\";\"x\")",
    "+1\n=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "{{ 7 * 7 }}{% for x in y %}{# #}",
    "'; rm -rf ~ #\\(env)$(id)`id`",
    "${jndi:ldap://x}%n%s\u{2028}",
];

pub(crate) fn findings() -> Vec<Finding> {
    let mut list = Vec::new();
    for (index, hostile) in HOSTILE.iter().enumerate() {
        let verdict = [Verdict::Fail, Verdict::Unknown, Verdict::Pass][index % 3];
        let observed = json!({ *hostile: hostile, "list": [hostile], "map": { *hostile: hostile } });
        let mut finding = finding("aws.s3.not_public", "storage.not-public", hostile, verdict, &observed);
        finding.because = vec![Because {
            call: Some((*hostile).to_owned()),
            cause: Cause::Denied,
            field: (*hostile).to_owned(),
            permission: Some((*hostile).to_owned()),
        }];
        finding.waiver = (index % 4 == 0).then(|| WaiverRef { id: (*hostile).to_owned() });
        list.push(finding);
    }
    let long = "A<b>=".repeat(20_000);
    list.push(finding("aws.s3.not_public", "storage.not-public", &long, Verdict::Fail, &json!({ "policy": long })));
    list
}

pub(crate) fn report() -> Report {
    let joined = HOSTILE.join(" ");
    let mut header = header();
    header.store.clone_from(&joined);
    header.manifest.excluded[0].reason.clone_from(&joined);
    header.manifest.accounts[0].name = Some(joined.clone());
    header.manifest.accounts[0].reason = Some(joined.clone());
    header.manifest.principals[0].id.clone_from(&joined);
    let mut report = ReportBuilder::new(header, Limits::default());
    texts(&mut report);
    let mut text = check("aws.s3.not_public", "storage.not-public", evidenced_model::Severity::High, &joined);
    text.why.clone_from(&joined);
    text.fix.clone_from(&joined);
    report.check(text);
    for mut account in coverage() {
        for gap in account.cells.iter_mut().flat_map(|cell| &mut cell.gaps) {
            gap.refusal.code = Some(joined.clone());
            gap.resources = HOSTILE.map(str::to_owned).to_vec();
        }
        report.coverage(&account);
    }
    report.controls(standings());
    for finding in findings() {
        report.finding(&finding, Some(evidence()));
    }
    report.finish()
}

/// What acts on a terminal or hides from the eye.
pub(crate) fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[test]
fn no_markup_gets_into_the_page() {
    let html = page(&report());
    let known: Vec<String> = read(&page(&crate::sample::rich())).unwrap().into_iter().map(|(name, _)| name).collect();
    let elements = read(&html).unwrap();
    assert!(elements.iter().all(|(name, _)| known.contains(name)), "an element of their own");
    assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), 2, "the data, and the script");
    let data = crate::pages::island(&html);
    assert!(data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), "data ends no element");
    assert!(!elements.iter().flat_map(|(_, attributes)| attributes).any(|(name, _)| name.starts_with("on")));
    assert!(!html.contains("49{%"), "a template was filled in");
    assert!(!html.contains(acts));
    assert!(html.contains("&lt;script&gt;alert(1)"), "it is still to be read");
}

#[test]
fn nothing_acts_on_a_terminal() {
    for width in [10, 80, 200] {
        let plain = Style { color: false, width };
        for form in [summary(&report(), &plain), text(&report(), &plain)] {
            assert!(!form.contains(acts));
        }
        let colored = text(&report(), &Style { color: true, width });
        let without = regex_free_sgr(&colored);
        assert!(!without.contains(acts), "only our own colours are there");
        assert!(colored.len() > without.len());
    }
}

/// The text without our own five colours.
fn regex_free_sgr(text: &str) -> String {
    let mut text = text.to_owned();
    for code in ["0", "1", "2", "31", "32", "33"] {
        text = text.replace(&format!("\x1b[{code}m"), "");
    }
    text
}

#[test]
fn lines_of_the_terminal_keep_to_its_width() {
    let form = text(&report(), &Style { color: false, width: 80 });
    // Commands and paths are not broken, so that they can be copied.
    let copied = |line: &str| ["evidenced ", "v1/"].iter().any(|start| line.trim_start().starts_with(start));
    let long = |line: &&str| line.chars().count() > 80 && !copied(line);
    assert_eq!(form.lines().find(long), None);
}

#[test]
fn the_document_is_json_that_a_terminal_can_show() {
    let json = document(&report());
    assert!(json.is_ascii() && !json.contains(acts));
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    let check = read["checks"].as_array().unwrap().iter().find(|check| check["id"] == "aws.s3.not_public").unwrap();
    let shown = check["unknowns"]["shown"].as_array().unwrap();
    assert!(shown.iter().any(|finding| finding["resource"] == HOSTILE[1]), "escaped, and yet the same");
    assert!(shown.iter().any(|finding| finding["observed"][HOSTILE[1]] == HOSTILE[1]));
}

#[test]
fn long_values_are_cut_and_said_to_be() {
    let json: serde_json::Value = serde_json::from_str(&document(&report())).unwrap();
    let check = json["checks"].as_array().unwrap().iter().find(|check| check["id"] == "aws.s3.not_public").unwrap();
    let fails = check["fails"]["shown"].as_array().unwrap();
    let long = fails.iter().find(|finding| finding["resource"].as_str().unwrap().starts_with("A<b>=")).unwrap();
    assert!(long["resource"].as_str().unwrap().ends_with("… (100000 bytes in all)"));
    assert_eq!(long["observed"]["policy"]["bytes"], 100_002);
    assert!(long["observed"]["policy"]["cut"].as_str().unwrap().len() <= 1024);
    assert!(page(&report()).contains("100,002 bytes in all"));
}

#[test]
fn commands_under_findings_are_one_harmless_command() {
    let json: serde_json::Value = serde_json::from_str(&document(&report())).unwrap();
    let mut commands = 0;
    for check in json["checks"].as_array().unwrap() {
        for group in ["fails", "waived", "unknowns", "passes"] {
            for finding in check[group]["shown"].as_array().unwrap() {
                let command = finding["evidence"]["show"].as_str().unwrap();
                let parts: Vec<&str> = command.split('\'').collect();
                assert_eq!(parts.len(), 3, "one quoted program: {command}");
                assert!(parts[0].starts_with("zstd -dc v1/objects/") && parts[0].ends_with(".jsonl.zst | jq -c "));
                assert_eq!(parts[2], "");
                assert!(command.is_ascii() && !command.contains(acts));
                commands += 1;
            }
        }
    }
    assert!(commands > 10);
}

#[test]
fn no_cell_of_the_table_is_a_formula_and_each_finding_is_one_line() {
    let mut table = FindingsCsv::new(&crate::sample::rich(), Vec::new()).unwrap();
    let findings = findings();
    for finding in &findings {
        table.row(finding, Some("=title"), Some(evidence())).unwrap();
    }
    let table = String::from_utf8(table.finish().unwrap()).unwrap();
    assert_eq!(table.matches("\r\n").count(), findings.len() + 1);
    assert_eq!(table.matches('\n').count(), findings.len() + 1);
    assert!(!table.replace("\r\n", "").contains(acts));
    let mut reader = csv::ReaderBuilder::new().from_reader(table.as_bytes());
    let mut rows = 0;
    for row in reader.records() {
        let row = row.unwrap();
        assert_eq!(row.len(), evidenced_report::COLUMNS.len());
        for cell in &row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            assert!(cell.len() < 32_767);
        }
        assert_eq!(&row[6], ACCOUNT);
        rows += 1;
    }
    assert_eq!(rows, findings.len());
}
