//! How far the evidence can be trusted, and what it can show at all, in sentences.

use evidenced_model::{Listing, LockMode, Manifest, VerdictCounts};

use crate::words::{count, moment, number};
use crate::{Report, Stamped};

/// One thing on which trust depends.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Trust {
    /// What it is about.
    pub(crate) about: &'static str,
    /// How it is.
    pub(crate) answer: String,
    /// What follows.
    pub(crate) means: String,
    /// Whether it leaves something open.
    pub(crate) weak: bool,
}

/// On what trust in this run depends.
pub(crate) fn trust(report: &Report) -> Vec<Trust> {
    let manifest = &report.manifest;
    vec![
        key(manifest),
        lock(manifest),
        time(manifest, report.stamped.as_ref()),
        independence(manifest),
        log(report),
        program(manifest),
    ]
}

/// What the report shows.
pub(crate) fn shows(report: &Report) -> Vec<String> {
    let read = report.manifest.accounts.iter().filter(|account| account.state == Listing::Read).count() as u64;
    vec![
        format!(
            "How {} were configured between {} and {}, as the providers' own interfaces answered.",
            count(read, "account", "accounts"),
            moment(report.window.start),
            moment(report.window.end)
        ),
        "For each verdict, the values that decided it and the signed object that holds them.".to_owned(),
        "What could not be read, and why. What is unread never counts as a pass.".to_owned(),
    ]
}

/// What the report cannot show.
pub(crate) fn cannot_show() -> [&'static str; 4] {
    [
        "Whether a control is fulfilled: that is for an auditor to judge. A standing says only what the configuration speaks for or against.",
        "Whether people follow their procedures. Each control names what is left to people.",
        "What happened before, after or between runs.",
        "Anything outside the accounts, regions and kinds that were to be read; see coverage and exclusions.",
    ]
}

/// Said where the findings that came are not those that the run counted.
pub(crate) fn mismatch(report: &Report) -> Option<String> {
    let mut seen = VerdictCounts::default();
    for check in &report.checks {
        seen.add(&check.counts);
    }
    let counted = &report.totals.findings;
    if report.withheld {
        return Some(format!(
            "This report is made from a pack that withholds findings: it was given {} of {}. The standings of controls are those of all of them.",
            number(seen.total()),
            count(counted.total(), "finding", "findings")
        ));
    }
    // A report of the numbers alone was given no findings.
    (seen.total() > 0 && seen != *counted).then(|| {
        format!(
            "This report was given {} and the run counted {}: verify the run before relying on either.",
            count(seen.total(), "finding", "findings"),
            number(counted.total())
        )
    })
}

pub(crate) fn key(manifest: &Manifest) -> Trust {
    let about = "Signing key";
    let key = &manifest.assurance.key;
    if key == "file" {
        let means = "Whoever can read that file can sign as this agent.".to_owned();
        Trust { about, answer: "a file".to_owned(), means, weak: true }
    } else {
        let means = "The key does not leave its service; who may sign with it is decided and logged there.".to_owned();
        Trust { about, answer: format!("a key service ({key})"), means, weak: false }
    }
}

pub(crate) fn lock(manifest: &Manifest) -> Trust {
    let about = "Store";
    let assurance = &manifest.assurance;
    let days =
        assurance.lock_days.map_or_else(String::new, |days| format!(" for {}", count(u64::from(days), "day", "days")));
    let (answer, means, weak) = match assurance.lock {
        LockMode::None => (
            format!("{}, without a lock", assurance.store),
            "Whoever owns the store can remove evidence. Edits are found by verification; a log cut at its end is found only by someone who kept a later head.",
            true,
        ),
        LockMode::Governance => (
            format!("{}, locked{days} in governance mode", assurance.store),
            "Users with a special permission can lift the lock.",
            true,
        ),
        LockMode::Compliance => (
            format!("{}, locked{days} in compliance mode", assurance.store),
            "Nobody can change or remove what is stored until the retention is over.",
            false,
        ),
    };
    Trust { about, answer, means: means.to_owned(), weak }
}

pub(crate) fn time(manifest: &Manifest, stamped: Option<&Stamped>) -> Trust {
    let about = "Time";
    let clock = &manifest.clock;
    let (answer, proves) = match stamped {
        Some(Stamped::At { authority, time, trusted: true }) => (
            format!("stamped at {} by {authority}", moment(*time)),
            "An independent party, whose certificate was checked, confirms that the run existed by then.",
        ),
        Some(Stamped::At { authority, time, trusted: false }) => (
            format!("stamped at {} by {authority}", moment(*time)),
            "Whose certificate that is was not checked here: `evidenced verify --tsa-ca` does.",
        ),
        Some(Stamped::Pending) => (
            "pending: no timestamp authority has answered yet".to_owned(),
            "Until then no independent party confirms when the run was made; `evidenced timestamp --pending` asks again.",
        ),
        None if manifest.assurance.timestamped => (
            "stamped by a timestamp authority".to_owned(),
            "An independent party confirms that the run existed by then.",
        ),
        None => ("the agent's own clock".to_owned(), "No independent party confirms when the run was made."),
    };
    let skew = match clock.skew_ms {
        Some(skew) => format!("It differed by at most {} ms from the providers' clocks.", number(skew.unsigned_abs())),
        None => "It was not compared with a provider's clock.".to_owned(),
    };
    let means = if clock.suspect {
        format!("The clock was wrong by more than five minutes: the times of this run are not to be relied on. {skew}")
    } else {
        format!("{proves} {skew}")
    };
    let open = match stamped {
        Some(stamped) => !matches!(stamped, Stamped::At { trusted: true, .. }),
        None => !manifest.assurance.timestamped,
    };
    Trust { about, answer, means, weak: clock.suspect || open }
}

fn independence(manifest: &Manifest) -> Trust {
    let assurance = &manifest.assurance;
    let says = |owns: Option<bool>, what: &str| match owns {
        Some(true) => format!("owns the {what}"),
        Some(false) => format!("does not own the {what}"),
        None => format!("may own the {what} (not known)"),
    };
    let answer = format!(
        "the account that was read {} and {}",
        says(assurance.account_owns_key, "key"),
        says(assurance.account_owns_store, "store")
    );
    let apart = assurance.account_owns_key == Some(false) && assurance.account_owns_store == Some(false);
    let means = if apart {
        "Administrators of what was read hold neither the key nor the store."
    } else {
        "Where the account that is read also owns the key or the store, its administrators could forge or remove evidence."
    };
    Trust { about: "Independence", answer, means: means.to_owned(), weak: !apart }
}

fn log(report: &Report) -> Trust {
    let about = "Log head";
    match &report.head {
        Some(head) => Trust {
            about,
            answer: head.to_string(),
            means: "Kept elsewhere, it proves later that the log was not cut before it.".to_owned(),
            weak: false,
        },
        None => Trust {
            about,
            answer: "not in the log yet".to_owned(),
            means: "The run waits in the spool. It exists for others once a log entry names it.".to_owned(),
            weak: true,
        },
    }
}

fn program(manifest: &Manifest) -> Trust {
    let binary = &manifest.binary;
    let (answer, means, weak) = match &binary.sha256 {
        Some(digest) => (
            format!("evidenced {}, SHA-256 {digest}", binary.version),
            "Compare it with the digest that was published for that version.",
            false,
        ),
        None => (
            format!("evidenced {}", binary.version),
            "Its own file could not be read, so its digest is not known.",
            true,
        ),
    };
    Trust { about: "Program", answer, means: means.to_owned(), weak }
}
