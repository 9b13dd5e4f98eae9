//! `README.txt`: what a pack is, how far it can be trusted, and how to check that.

use std::fmt::Write as _;

use evidenced_seal::verify::VerifyReport;
use evidenced_seal::withheld::Declaration;

/// What the instructions say beside what they always say.
pub struct Facts<'f> {
    /// How far the evidence can be trusted: key, store, time, independence; a sentence each.
    pub assurance: &'f [String],
    /// What the pack says of itself.
    pub declaration: &'f Declaration,
    /// What verifying it found.
    pub report: &'f VerifyReport,
    /// Whether there are masked renderings.
    pub masked: bool,
    /// Whether there is a report.
    pub reported: bool,
}

/// The text of `README.txt`.
pub fn instructions(facts: &Facts<'_>) -> String {
    let Facts { assurance, declaration: pack, report, masked, reported } = facts;
    let mut out = String::from("EVIDENCE OF CLOUD CONFIGURATION\n\nHow far it can be trusted\n\n");
    // Writing to a String cannot fail.
    for line in *assurance {
        let _ = writeln!(out, "  - {line}");
    }
    let moment =
        |moment: Option<jiff::Timestamp>, open: &str| moment.map_or_else(|| open.to_owned(), |m| m.to_string());
    let _ = write!(
        out,
        "\nWhat is in it\n\n  {} runs that began from {} until before {}.\n",
        report.runs,
        moment(pack.from, "the beginning"),
        moment(pack.until, "the end")
    );
    if report.left_out > 0 {
        let _ = writeln!(out, "  {} runs that the log names began at other times, and are not in it.", report.left_out);
    }
    let _ = writeln!(out, "\n  The log of each agent is in it as a whole. Its head (index:SHA-256):\n");
    for head in &pack.heads {
        let _ = writeln!(out, "    {}  {}", head.agent, head.head);
    }
    withheld(&mut out, report, *masked);
    let _ = write!(
        out,
        "\nFiles\n\n  v1/            the evidence, laid out as in the store. Everything in it is signed, or named by SHA-256\n                 in something that is signed.\n  VERIFY.md      how to check it without the program, command by command\n  SHA256SUMS     finds damage on the way. Nobody signed it.\n  pack.json      which runs the pack is about. Nobody signed it; it can leave out, and make nothing true.\n"
    );
    if *reported {
        out.push_str("  report.html    the newest run, to be read. Nobody signed it: it is made from v1/.\n");
    }
    out.push_str(
        "  keys/          public keys. A key that comes with the evidence proves nothing: whoever forges the\n                 evidence forges the key. Compare it with the key that the agent's owner gave you on another way.\n",
    );
    let _ = writeln!(out, "\n  The keys' fingerprints (SHA-256 of their DER):\n");
    for key in &pack.keys {
        let _ = writeln!(out, "    {key}");
    }
    out.push_str(VERIFY);
    out
}

fn withheld(out: &mut String, report: &VerifyReport, masked: bool) {
    if report.is_whole() {
        out.push_str("\n  Nothing of these runs is withheld.\n");
        return;
    }
    let withheld = &report.withheld;
    let _ = writeln!(
        out,
        "\n  THE PACK IS NOT WHOLE: {} lines are withheld, and {} objects as a whole. In their place stand their\n  SHA-256 (RFC 6962 leaf hashes for lines), so that what is shown still leads up to what was signed.\n",
        withheld.lines, withheld.objects
    );
    for (what, lines) in &withheld.what {
        let _ = writeln!(out, "    {what}: {lines} lines");
    }
    if masked {
        out.push_str(
            "\n  derived/masked/ shows the shape of withheld lines, with pseudonyms for every name. It is derived: no\n  signature covers it, and it is no evidence.\n",
        );
    }
}

const VERIFY: &str = "
Verify

  1. sha256sum --check --quiet SHA256SUMS
  2. openssl pkey -pubin -in keys/FINGERPRINT.pem -outform DER | sha256sum
     The result has to be the fingerprint that you were given on another way.
  3. evidenced verify --key YOUR-COPY-OF-THE-KEY.pem --expect-head INDEX:SHA-256 .
     with a head that somebody kept elsewhere, at the time. Without one, a log that was cut at its end is not found.
     The same command takes the zip file itself.
  4. Without the program: VERIFY.md, with sha256sum, unzip, jq, zstd and openssl only.
";
