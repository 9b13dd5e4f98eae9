//! Packs of a real run: exported, verified as a file and as a folder, redacted, for one control, and judged again.

use std::process::Command;

use crate::support::{Agent, company};

#[test]
fn a_pack_of_a_company_verifies_and_hides_what_it_withholds() {
    let moto = company();
    let agent = Agent::new(&moto.url());
    agent.run(&["collect", "--partial-ok"]).expect(0);
    agent.run(&["collect", "--partial-ok"]).expect(0);
    let unpack = |pack: &str, folder: &str| {
        let output =
            Command::new("unzip").args(["-q", pack, "-d", folder]).current_dir(agent.folder()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };

    // Whole: as a file and as a folder, judged again, reported on.
    let made = agent.run(&["export", "--format", "json", "-o", "whole.zip"]).expect(0).json();
    assert_eq!((&made["runs"], &made["whole"]), (&2.into(), &true.into()));
    let again = agent.run(&["export", "-o", "whole.zip"]).expect(2);
    assert!(
        again.stderr.contains("whole.zip is there already") && again.stderr.contains("--force"),
        "{}",
        again.stderr
    );
    let forced = agent.run(&["export", "--format", "json", "--force", "-o", "whole.zip"]).expect(0).json();
    assert_eq!(forced["sha256"], made["sha256"], "the same input gives the same bytes");
    unpack("whole.zip", "whole");
    for place in ["whole.zip", "whole"] {
        let said = agent.run(&["verify", place, "--re-evaluate", "--whole"]).expect(0).stdout;
        assert!(said.contains(": good. 2 runs") && said.contains("2 runs judged again"), "{said}");
    }
    let readme = std::fs::read_to_string(agent.folder().join("whole/README.txt")).unwrap();
    let first_page: String = readme.lines().take(12).collect();
    for part in ["Key: A file.", "Store: Folder, without a lock.", "Time: The agent's own clock.", "Could alter: "] {
        assert!(first_page.contains(part), "{part}: {readme}");
    }
    assert!(readme.contains(made["heads"][0]["head"]["digest"].as_str().unwrap()));
    let html = std::fs::read_to_string(agent.folder().join("whole/report.html")).unwrap();
    assert!(html.contains("<h3>Assurance</h3>"));

    // Users are withheld by kind, a bucket's findings by control.
    let rules = [
        "export",
        "--withhold",
        "kind=aws.iam.user",
        "--withhold",
        "kind=aws.kms.key",
        "--withhold",
        "document=config",
        "--format",
        "json",
    ];
    let made = agent.run(&[&rules[..], &["-o", "redacted.zip"]].concat()).expect(0).json();
    assert_eq!(made["whole"], false);
    assert!(made["withheld"]["lines"].as_u64().unwrap() > 0, "{made}");
    unpack("redacted.zip", "redacted");
    for place in ["redacted.zip", "redacted"] {
        let said = agent.run(&["verify", place, "--re-evaluate"]).expect(0).stdout;
        for part in ["good as far as it is shown, NOT whole", "aws.iam.user: ", "objects withheld", "could not be"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let refused = agent.run(&["verify", "redacted.zip", "--whole"]).expect(5);
    assert!(refused.stdout.contains("WRONG pack.json"), "{}", refused.stdout);
    let report = agent.run(&["report", "--store", "redacted.zip"]).expect(0).stdout;
    assert!(report.contains("Assurance") && report.contains("a pack that withholds findings"), "{report}");
    let users = agent.run(&["findings", "--store", "redacted", "--check", "aws.iam.user*"]).expect(0).stdout;
    assert_eq!(users, "", "what is withheld is not listed");

    // For one control only what serves it is shown.
    let made = agent.run(&["export", "--control", "A.8.24", "--format", "json", "-o", "control.zip"]).expect(0).json();
    assert_eq!(made["whole"], false);
    agent.run(&["verify", "control.zip", "--re-evaluate"]).expect(0);
    let shown = agent.run(&["findings", "--store", "control.zip"]).expect(0).lines();
    let served = ["crypto.", "storage.", "logs.customer-managed-key"];
    let objectives: std::collections::BTreeSet<&str> =
        shown.iter().map(|finding| finding["objective"].as_str().unwrap()).collect();
    assert!(!objectives.is_empty());
    assert!(objectives.iter().all(|id| served.iter().any(|begin| id.starts_with(begin))), "{objectives:?}");
    let unknown = agent.run(&["export", "--control", "A.99.1", "-o", "none.zip"]).expect(2);
    assert!(unknown.stderr.contains("A.99.1") && !agent.folder().join("none.zip").exists(), "{}", unknown.stderr);

    // A folder from which something went missing afterwards is no pack of it.
    let chunk = agent.files().into_iter().find(|(path, _)| path.ends_with(".jsonl.zst")).unwrap().0;
    std::fs::remove_file(agent.store().join(&chunk)).unwrap();
    let broken = agent.run(&["export", "-o", "broken.zip"]).expect(5);
    assert!(broken.stderr.contains(&chunk) && broken.stderr.contains("nothing was written"), "{}", broken.stderr);
}
