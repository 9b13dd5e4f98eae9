//! The commands of docs/for-auditors.md, run as they stand there, by somebody who has the evidence, the public key and a
//! head, and nothing else.

use std::process::Command;

use crate::support::{Agent, company, walk};

const PAGE: &str = include_str!("../../docs/for-auditors.md");

/// The fenced `sh` blocks, one after another.
fn script() -> String {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_auditor_can_follow_the_page() {
    let moto = company();
    let agent = Agent::new(&moto.url());
    let collected = agent.run(&["collect", "--partial-ok", "--format", "json"]).expect(0).json();
    let head = format!("{}:{}", collected["head"]["index"], collected["head"]["digest"].as_str().unwrap());

    let auditor = Agent::with_config("").signed_in_as(None);
    let mut private = None;
    walk(&agent.folder().join("state"), &mut |path, _| {
        if path.extension().is_some_and(|extension| extension == "pem") {
            private = Some(path.to_owned());
        }
    });
    let key = auditor.folder().join("public.pem");
    let private = private.unwrap();
    let openssl = ["pkey", "-pubout", "-in", private.to_str().unwrap(), "-out", key.to_str().unwrap()];
    assert!(Command::new("openssl").args(openssl).status().unwrap().success());
    let copy = auditor.folder().join("evidence");
    assert!(Command::new("cp").arg("-r").args([&agent.store(), &copy]).status().unwrap().success());

    let program = std::path::Path::new(env!("CARGO_BIN_EXE_evidenced")).parent().unwrap();
    let run = |script: &str, head: &str| {
        let output = Command::new("bash")
            .args(["-euc", script])
            .current_dir(auditor.folder())
            .env_clear()
            .env("HOME", auditor.folder())
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", program.display()))
            .env("HEAD", head)
            .env("SEED", "2026-02-03 and 1729")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
        (output.status.success(), said)
    };
    let (passes, said) = run(&script(), &head);
    assert!(passes, "{said}");
    assert!(said.contains("evidence: good. 1 runs") && said.contains("1 runs judged again"), "{said}");
    assert!(said.contains("every line that was drawn is under the signature\n"), "{said}");
    for file in ["report.html", "to-look-at.jsonl", "controls.csv.meta.json", "results.json", "events.jsonl"] {
        assert!(auditor.folder().join(file).metadata().unwrap().len() > 1000, "{file}");
    }

    // They can fail: an edited chunk stops the first block, another seed the draw.
    let chunk = agent.files().into_iter().find(|(path, _)| path.ends_with(".jsonl.zst")).unwrap().0;
    let (passes, said) = run(&script().replace("open(\"population.jsonl\"", "open(\"to-look-at.jsonl\""), &head);
    assert!(!passes, "{said}");
    let edited = copy.join(&chunk);
    let mut bytes = std::fs::read(&edited).unwrap();
    bytes[20] ^= 1;
    std::fs::remove_file(&edited).unwrap();
    std::fs::write(&edited, bytes).unwrap();
    let (passes, said) = run(&script(), &head);
    assert!(!passes && said.contains(&chunk), "{said}");
}

#[test]
fn the_page_says_nothing_that_the_program_does_not_know() {
    // Every command and option of the blocks that are run is one that the program's help names.
    let agent = Agent::with_config("");
    let mut seen = 0;
    for line in PAGE.lines().filter(|line| line.starts_with("evidenced ")) {
        let command = line.split(' ').nth(1).unwrap();
        let help = agent.run(&[command, "--help"]).expect(0).stdout;
        for option in line.split(' ').filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{option} of `{line}`");
        }
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}
