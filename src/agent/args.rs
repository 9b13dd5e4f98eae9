//! What can be asked of the program, as its help shows it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use evidenced_model::Severity;

use crate::logging::LogFormat;
use crate::shard::Shard;

mod evidence;

pub(crate) use evidence::{Attach, Diff, Export, Report, Sample, TableName, Verify};

/// Signed evidence of how your clouds are configured, judged by declarative checks and mapped to ISO/IEC 27001 and 27017.
#[derive(Debug, Parser)]
#[command(name = "evidenced", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 complete, sealed, stored | 1 findings at or over --fail-on | 2 usage or config | 3 sealed, but with gaps \
(--partial-ok makes it 0) | 4 kept in the spool | 5 verification failed | 6 nothing could be read | 130 interrupted";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Config file [default: ./evidenced.yaml, then /etc/evidenced/evidenced.yaml, else built-in defaults]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// How log lines are printed (always on stderr)
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Only errors, no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More log lines; twice and thrice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// No colour, also where there is a terminal (`NO_COLOR` does the same)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// One self-contained page (report only).
    Html,
    /// A table as comma-separated values (report only).
    Csv,
    /// OSCAL assessment results (report only).
    Oscal,
    /// Findings as OCSF events, one a line (report only).
    Ocsf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the clouds, judge, seal, store; then exit
    Collect(Collect),
    /// Stay, and collect by schedule: the daemon, with its endpoint
    Run(Run),
    /// Ask the daemon on this machine whether it lives; for health checks of containers
    Health(Health),
    /// Print findings of a run as JSON lines
    Findings(Findings),
    /// Print the state of controls: text, json, html, csv, oscal or ocsf
    Report(Report),
    /// Draw resources of a control by a seed, with their stored lines and the proofs of them
    Sample(Sample),
    /// Check evidence: signatures, log, digests; offline
    Verify(Verify),
    /// Print what changed between two runs
    Diff(Diff),
    /// Write an audit pack: the evidence of a period in one file that verifies by itself
    Export(Export),
    /// The statement of applicability: as a table, and what differs in it
    #[command(subcommand)]
    Soa(Soa),
    /// Seal a document that somebody brings as evidence for controls, or list those that are sealed
    Attach(Attach),
    /// List, show and test checks
    #[command(subcommand)]
    Checks(Checks),
    /// List and show controls
    #[command(subcommand)]
    Controls(Controls),
    /// List and show objectives
    #[command(subcommand)]
    Objectives(Objectives),
    /// List and show collectors with the calls and permissions they need
    #[command(subcommand)]
    Collectors(Collectors),
    /// Print the least that collectors need in a cloud, as what grants it there
    Permissions(Permissions),
    /// List and send what waits for the store
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Prove each part that a run needs: config, key, store, authorities, clouds, clock
    Doctor,
    /// Make a signing key
    Keygen(Keygen),
    /// List the keys that the log knows, hand over to another, revoke one
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Fetch timestamps that could not be had before
    Timestamp(Timestamp),
    /// Write, check and describe the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// `collect`.
#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// Only collectors of these ids, e.g. aws.s3 or 'aws.*'; may be repeated or comma-separated
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) collectors: Vec<String>,
    /// Exit 1 if a finding of this severity or worse failed
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) fail_on: Option<Severity>,
    /// Exit 0 also where there are gaps
    #[arg(long)]
    pub(crate) partial_ok: bool,
    /// Read only this agent's share of the accounts, e.g. 1/3; the agent's id gets the number of the share at its end
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Begin with a run of every schedule, and do not wait for their first slots
    #[arg(long)]
    pub(crate) now: bool,
    /// Read only this agent's share of the accounts, e.g. 1/3; the agent's id gets the number of the share at its end
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
}

/// `health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Ask whether evidence is in time (/readyz), and not only whether the daemon lives (/livez)
    #[arg(long)]
    pub(crate) ready: bool,
    /// Where the daemon listens [default: serve.listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<std::net::SocketAddr>,
}

/// `findings`.
#[derive(Debug, Args)]
pub(crate) struct Findings {
    /// A run id, `latest`, `latest~1`, or a date
    #[arg(long, default_value = "latest")]
    pub(crate) run: String,
    /// Only these verdicts: pass, fail, unknown, `not_applicable`; may be repeated or comma-separated
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', value_parser = ["pass", "fail", "unknown", "not_applicable"])]
    pub(crate) verdict: Vec<String>,
    /// Only checks of this id
    #[arg(long, value_name = "GLOB")]
    pub(crate) check: Option<String>,
    /// Only resources of this id
    #[arg(long, value_name = "GLOB")]
    pub(crate) resource: Option<String>,
    /// The store [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// `checks`.
#[derive(Debug, Subcommand)]
pub(crate) enum Checks {
    /// Every check, one a line
    List {
        /// Only checks of this cloud
        #[arg(long)]
        provider: Option<String>,
    },
    /// One check, whole
    Show {
        /// Its id
        id: String,
    },
    /// Run the examples of every check, and take each field away
    Test {
        /// Only checks of this id
        glob: Option<String>,
    },
}

/// `controls`.
#[derive(Debug, Subcommand)]
pub(crate) enum Controls {
    /// The controls of a catalogue, one a line
    List {
        /// The catalogue; iso27001-2013 shows where the old numbers went
        #[arg(long)]
        catalog: Option<String>,
        /// The clauses of the standard's own body, instead of the controls
        #[arg(long)]
        clauses: bool,
    },
    /// One control, whole
    Show {
        /// Its number, e.g. A.8.24
        id: String,
        /// Its catalogue
        #[arg(long)]
        catalog: Option<String>,
    },
}

/// `soa`.
#[derive(Debug, Subcommand)]
pub(crate) enum Soa {
    /// Write a table (CSV) of every control: applicable or not, why, whose it is, what supports it
    Export {
        /// Only this catalogue [default: those of the config]
        #[arg(long, value_name = "ID")]
        catalog: Option<String>,
        /// The clauses of the standard's own body too
        #[arg(long)]
        clauses: bool,
        /// Write to this file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The store whose newest run says what supports a control [default: the configured one]
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
    /// Print what differs between a table and isms.yaml, or between what two runs sealed
    Diff {
        /// A table (CSV); or, with a second name, the older run: an id, `latest~1`, a date
        old: String,
        /// The newer run
        new: Option<String>,
        /// The catalogue of a table without a column for it [default: the first of the config]
        #[arg(long, value_name = "ID")]
        catalog: Option<String>,
        /// The store of the runs [default: the configured one]
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
}

/// `objectives`.
#[derive(Debug, Subcommand)]
pub(crate) enum Objectives {
    /// Every objective, one a line
    List,
    /// One objective with its controls and checks
    Show {
        /// Its id
        id: String,
    },
}

/// `collectors`.
#[derive(Debug, Subcommand)]
pub(crate) enum Collectors {
    /// Every collector, one a line
    List,
    /// One collector with its kinds, calls and permissions
    Show {
        /// Its id
        id: String,
    },
}

/// `permissions`.
#[derive(Debug, Args)]
pub(crate) struct Permissions {
    /// The cloud, e.g. aws or azure
    pub(crate) provider: String,
    /// In which form
    #[arg(long = "as", value_enum, default_value = "json")]
    pub(crate) form: GrantForm,
    /// Only for these collectors, e.g. azure.storage or aws.*; all of them where nothing is said
    #[arg(long = "collector", value_name = "GLOB")]
    pub(crate) collectors: Vec<String>,
}

/// How permissions are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GrantForm {
    /// The cloud's own JSON: a policy, a role
    Json,
    /// Terraform
    Terraform,
    /// AWS `CloudFormation`
    Cloudformation,
    /// Azure Bicep
    Bicep,
}

/// `spool`.
#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// What waits, sealed: runs, then what was sealed beside them; oldest first
    List,
    /// Send what waits; exit 4 if something still waits after that
    Push,
}

/// `keygen`.
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where the private key goes (mode 0600); the public key goes beside it as FILE.pub.pem
    #[arg(default_value = "key.pem")]
    pub(crate) file: PathBuf,
    /// Encrypt it with the passphrase in the first line of this file (see `seal.passphrase_file`)
    #[arg(long, value_name = "PASSPHRASE_FILE")]
    pub(crate) encrypt: Option<PathBuf>,
}

/// `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// The keys that signed the log, and why they are believed
    List,
    /// Hand over to another key: an entry of the log that the old one signs, and one that the new one signs
    Rotate {
        /// The new key, as in seal.key, e.g. `file:new.pem` or `awskms:alias/evidence`
        #[arg(long, value_name = "KEY")]
        to: String,
    },
    /// Say in the log that a key is not to be believed any more
    Revoke {
        /// Its id: the SHA-256 that `keys list` prints
        #[arg(value_name = "KEYID")]
        key: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// From when on it is not to be believed, if that is before now (a date, or RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
}

/// `timestamp`.
#[derive(Debug, Args)]
pub(crate) struct Timestamp {
    /// Runs without a token, newest first
    #[arg(long, required = true)]
    pub(crate) pending: bool,
    /// Look at so many runs at most
    #[arg(long, value_name = "RUNS", default_value_t = crate::stamps::LOOK_BACK)]
    pub(crate) last: usize,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a commented config file to start from
    Init {
        /// Where
        #[arg(default_value = "evidenced.yaml")]
        file: PathBuf,
    },
    /// Check the config without calling anything
    Check,
    /// Print the JSON schema of the config
    Schema,
}

fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "expected info, low, medium, high or critical".to_owned())
}
