//! The command line of what reads evidence, hands it on, or adds to it by hand.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// A run id, `latest`, `latest~1`, or a date
    #[arg(long, default_value = "latest")]
    pub(crate) run: String,
    /// The state over a period that begins at this time (a date, or RFC 3339) [default: with --to, 90 days before it]
    #[arg(long, value_name = "TIME", conflicts_with = "run")]
    pub(crate) from: Option<String>,
    /// The state over a period that ends with this date, or at this time [default: with --from, now]
    #[arg(long, value_name = "TIME", conflicts_with = "run")]
    pub(crate) to: Option<String>,
    /// Of a period, only these controls; may be repeated or comma-separated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) control: Vec<String>,
    /// Of a period, only what these agents saw; may be repeated [default: every agent of the store]
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Vec<String>,
    /// Only this catalogue
    #[arg(long, value_name = "ID")]
    pub(crate) catalog: Option<String>,
    /// On the page of a run, since when things fail: so many days before it are read [default: 30; 0 in a cloud's store]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3660))]
    pub(crate) trend: Option<u32>,
    /// What the rows of `--format csv` are [default: findings]
    #[arg(long, value_enum)]
    pub(crate) table: Option<TableName>,
    /// Write to this file instead of standard output; a table gets FILE.meta.json beside it, which says what it is worth
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The store [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The newest runs of so many agents that share the accounts (`collect --shard I/N`), read together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with_all = ["run", "output"])]
    pub(crate) shards: Option<u32>,
}

/// `sample`.
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The control, e.g. A.8.24
    #[arg(long, value_name = "ID")]
    pub(crate) control: String,
    /// Its catalogue, where several have a control of this number
    #[arg(long, value_name = "ID")]
    pub(crate) catalog: Option<String>,
    /// How many are drawn
    #[arg(short, long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) n: u32,
    /// What decides who is drawn: the same seed draws the same from the same population
    #[arg(long, value_name = "TEXT")]
    pub(crate) seed: String,
    /// A run id, `latest`, `latest~1`, or a date [default: latest]
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) run: Option<String>,
    /// From all runs, of all agents, that began at this time or later (a date, or RFC 3339)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// From all runs, of all agents, that began before the end of this date, or before this time
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Write the whole population to this file, one JSON object a line, so that the draw can be made again
    #[arg(long, value_name = "FILE")]
    pub(crate) population: Option<PathBuf>,
    /// The store [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// What the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableName {
    /// Findings of a run.
    Findings,
    /// Controls.
    Controls,
    /// Changes of verdicts in a period.
    Changes,
    /// Fails that stood in a period.
    Fails,
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The store or pack: a URL, a folder, or a pack's zip file [default: the configured store]
    pub(crate) store: Option<String>,
    /// A public key to trust, perhaps for a time only; may be repeated [default: the configured agent's]
    #[arg(long, value_name = "PUBLIC.pem[@FROM..TO]")]
    pub(crate) key: Vec<String>,
    /// Certificates (PEM) of the timestamp authorities to trust: every run that was to be stamped needs a good token
    #[arg(long, value_name = "CA.pem")]
    pub(crate) tsa_ca: Option<PathBuf>,
    /// The head of the log as you know it from elsewhere
    #[arg(long, value_name = "INDEX:DIGEST")]
    pub(crate) expect_head: Option<String>,
    /// Judge the stored resources again and compare
    #[arg(long)]
    pub(crate) re_evaluate: bool,
    /// Fail if a pack withholds anything
    #[arg(long)]
    pub(crate) whole: bool,
    /// Only runs that began at this time or later (a date, or RFC 3339)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Only runs that began before the end of this date, or before this time
    #[arg(long)]
    pub(crate) to: Option<String>,
}

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older run: an id, `latest~1`, a date
    #[arg(default_value = "latest~1")]
    pub(crate) old: String,
    /// The newer run
    #[arg(default_value = "latest")]
    pub(crate) new: String,
    /// The store [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only runs that began at this time or later (a date, or RFC 3339)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Only runs that began before the end of this date, or before this time
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Show only what serves these controls and withhold the rest; may be repeated or comma-separated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) control: Vec<String>,
    /// The catalogue of the controls [default: every one that has them]
    #[arg(long, value_name = "ID", requires = "control")]
    pub(crate) catalog: Option<String>,
    /// Withhold: kind=GLOB, account=ID, region=NAME, tag=KEY=VALUE or document=NAME; may be repeated
    #[arg(long, value_name = "RULE")]
    pub(crate) withhold: Vec<String>,
    /// Withhold whole chunks where a line of them is withheld, so that no line can be guessed by itself
    #[arg(long)]
    pub(crate) whole: bool,
    /// Add withheld lines with pseudonyms in the place of names: derived, no evidence
    #[arg(long)]
    pub(crate) mask: bool,
    /// Only the log and runs of this agent; may be repeated [default: the configured one, or the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Vec<String>,
    /// A public key to trust; may be repeated [default: the configured agent's]
    #[arg(long, value_name = "PUBLIC.pem[@FROM..TO]")]
    pub(crate) key: Vec<String>,
    /// The store [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The pack
    #[arg(short, long, value_name = "PACK.zip")]
    pub(crate) output: PathBuf,
    /// Overwrite the pack if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// `attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The file
    #[arg(required_unless_present = "list")]
    pub(crate) file: Option<PathBuf>,
    /// The controls it is evidence for, e.g. A.6.3; may be repeated or comma-separated
    #[arg(long, value_name = "ID", value_delimiter = ',', required_unless_present = "list")]
    pub(crate) control: Vec<String>,
    /// The catalogue of the controls, e.g. iso27001-2022 [default: every enabled one that has them]
    #[arg(long, value_name = "ID")]
    pub(crate) catalog: Option<String>,
    /// Who brings it
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    pub(crate) by: Option<String>,
    /// The first day it counts for, e.g. 2026-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    pub(crate) valid_from: Option<String>,
    /// The last day it counts for [default: it does not run out]
    #[arg(long, value_name = "DATE")]
    pub(crate) valid_until: Option<String>,
    /// What it is called [default: the file's name]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// A remark
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// List what is attached, and until when it counts; --control and --catalog choose from it
    #[arg(long, conflicts_with_all = ["file", "by", "valid_from", "valid_until", "title", "note"])]
    pub(crate) list: bool,
    /// The store that is listed [default: the configured one]
    #[arg(long, value_name = "URL", requires = "list")]
    pub(crate) store: Option<String>,
}
