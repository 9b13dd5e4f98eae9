//! The program's own log, on stderr: a sentence, then fields.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::telemetry::Telemetry;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Only what somebody must act on.
    Errors,
    /// What a daemon does.
    Daemon,
    /// Warnings; once and more often: information, and then the SDKs' too.
    More(u8),
}

/// Starts logging. Spans go to whoever the environment names.
pub(crate) fn start(format: LogFormat, verbosity: Verbosity, colour: bool, telemetry: Option<&Telemetry>) {
    let filter = match verbosity {
        Verbosity::Errors => "error",
        Verbosity::Daemon => {
            "warn,evidenced=info,evidenced_agent=info,evidenced_agent::cycle=warn,evidenced_serve=info"
        }
        Verbosity::More(0) => "warn",
        Verbosity::More(1) => {
            "warn,evidenced=info,evidenced_agent=info,evidenced_kit=info,evidenced_aws=info,evidenced_serve=info"
        }
        Verbosity::More(2) => "info,evidenced_agent=debug,evidenced_kit=debug,evidenced_aws=debug",
        // Request and response bodies of the SDKs stay out at every level: they can hold what nobody should log.
        Verbosity::More(3..) => "debug,aws_smithy_runtime=info,aws_runtime=info,aws_sigv4=info,hyper_util=info",
    };
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colour).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = telemetry.and_then(Telemetry::tracer).map(|tracer| {
        // Our own: what the SDKs say of a request can hold what nobody should see.
        let ours = Targets::new().with_target("evidenced", LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
    });
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(EnvFilter::new(filter))).with(spans).try_init();
}
