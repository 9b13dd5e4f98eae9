//! The program's own log, on stderr: a sentence, then fields.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `verbosity` 0 is warnings, -1 errors, 1 information, 2 and more the SDKs too.
pub(crate) fn start(format: LogFormat, verbosity: i8, colour: bool) {
    let filter = match verbosity {
        ..=-1 => "error",
        0 => "warn",
        1 => "warn,evidenced=info,evidenced_agent=info,evidenced_kit=info,evidenced_aws=info,evidenced_serve=info",
        2 => "info,evidenced_agent=debug,evidenced_kit=debug,evidenced_aws=debug",
        // Request and response bodies of the SDKs stay out at every level: they can hold what nobody should log.
        3.. => "debug,aws_smithy_runtime=info,aws_runtime=info,aws_sigv4=info,hyper_util=info",
    };
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(writer);
    // A second start (in tests) keeps the first.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(colour).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
