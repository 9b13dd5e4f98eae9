//! Names, tags and policies that mean harm: no crash, and nothing gets out of its quotes.

use crate::support::{Agent, Done, contents, empty_moto};

#[test]
fn hostile_data_stays_data() {
    let moto = empty_moto();
    moto.seed("seed_hostile.py", &[]).unwrap();
    let agent = Agent::with_config(&format!(
        "targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {}\ncollect: all\n\
         checks:\n  params: {{ log_buckets: [\"=cmd\"], collector_role: \"<b>\" }}\n",
        moto.url()
    ));
    let collected = agent.run(&["collect"]).expect(3);
    clean("collect", &collected);
    let stored: Vec<u8> = contents(&agent.store()).into_iter().flat_map(|(_, bytes)| bytes).collect();
    let stored = String::from_utf8_lossy(&stored);
    for seen in ["hostile-large-policy", "alert('evidenced')", "mallory,=1+1", "\\u001b]0;owned", "role-9"] {
        assert!(stored.contains(seen), "{seen} was not even read");
    }
    assert!(!stored.contains("\"cause\":\"panicked\""), "a collector panicked");

    let findings = agent.run(&["findings"]).expect(0);
    clean("findings", &findings);
    let ids: Vec<_> = findings.lines().iter().map(|f| f["resource"].as_str().unwrap().to_owned()).collect();
    assert!(ids.iter().any(|id| id.contains("hostile-deep")));

    for format in ["text", "json", "oscal", "ocsf"] {
        clean(format, &agent.run(&["report", "--format", format]).expect(0));
    }
    let page = agent.run(&["report", "--format", "html"]).expect(0);
    clean("html", &page);
    for tag in ["<script>alert", "<img src=x", "onerror=alert(1)>"] {
        assert!(!page.stdout.contains(tag), "{tag} is in the page");
    }
    let table = agent.run(&["report", "--format", "csv"]).expect(0);
    clean("csv", &table);
    for cell in cells(&table.stdout) {
        let first = cell.chars().next();
        assert!(!matches!(first, Some('=' | '+' | '@' | '-' | '\t' | '\r')), "a formula in a cell: {cell}");
    }
    agent.run(&["verify", "--re-evaluate"]).expect(0);
    let before = agent.files().len();
    agent.run(&["collect", "-q"]).expect(3);
    let new = agent.files();
    assert!(new.len() > before);
    clean("diff", &agent.run(&["diff"]).expect(0));
}

/// No control character but the line's end, nothing that turns the direction of writing, no panic.
fn clean(what: &str, done: &Done) {
    for text in [&done.stdout, &done.stderr] {
        // Tables end their lines as RFC 4180 says.
        for c in text.replace("\r\n", "\n").chars() {
            let bad = (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(&c);
            // A page and a JSON text may carry what only a terminal would obey.
            let harmless = matches!(what, "html" | "json" | "csv" | "findings") && !c.is_control();
            assert!(!bad || harmless, "{what}: {c:?} reaches the terminal");
        }
        assert!(!text.contains("panicked"), "{what}: {text}");
    }
}

/// The cells of a table in RFC 4180.
fn cells(table: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = table.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            c => cell.push(c),
        }
    }
    cells
}
