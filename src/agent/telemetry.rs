//! Traces and metrics over OTLP (HTTP, protobuf), where the environment names somebody who takes them.
//!
//! The variables are OpenTelemetry's own (`OTEL_EXPORTER_OTLP_ENDPOINT`, `…_TRACES_ENDPOINT`, `…_METRICS_ENDPOINT`,
//! `…_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED`). Without
//! them nothing is started. What is sent are names of stages, runs and calls, and counts; never what was read.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::{Handle, Runtime};

const NAME: &str = "evidenced";
/// The longest that sending may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is sent, as long as this lives; what waits is sent when it goes.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    /// Requests are made here, so that they neither wait for a run nor a run for them.
    runtime: Option<Runtime>,
}

impl Telemetry {
    /// What the environment asks for, if it asks for anything.
    pub(crate) fn from_environment() -> Option<Self> {
        let set = |wanted: &str| std::env::vars().any(|(name, value)| name == wanted && !value.is_empty());
        let disabled = std::env::vars().any(|(name, value)| name == "OTEL_SDK_DISABLED" && value == "true");
        let everything = set("OTEL_EXPORTER_OTLP_ENDPOINT");
        let traces = everything || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let metrics = everything || set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
        if disabled || !(traces || metrics) {
            return None;
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("otlp").enable_all().build().ok()?;
        let resource = Resource::builder();
        let resource = if set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name(NAME) };
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let client = Client { client: reqwest::Client::new(), handle: runtime.handle().clone() };
        let traces = traces.then(|| {
            let exporter = SpanExporter::builder().with_http().with_http_client(client.clone()).build();
            let built = exporter.map(|exporter| {
                SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build()
            });
            built.inspect_err(|error| tracing::error!(%error, "no traces can be sent")).ok()
        });
        let metrics = metrics.then(|| {
            let exporter = MetricExporter::builder().with_http().with_http_client(client).build();
            let built = exporter.map(|exporter| {
                SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(exporter).build()
            });
            built.inspect_err(|error| tracing::error!(%error, "no metrics can be sent")).ok()
        });
        let metrics = metrics.flatten();
        if let Some(metrics) = &metrics {
            global::set_meter_provider(metrics.clone());
        }
        Some(Self { traces: traces.flatten(), metrics, runtime: Some(runtime) })
    }

    /// Who takes spans.
    pub(crate) fn tracer(&self) -> Option<SdkTracer> {
        self.traces.as_ref().map(|traces| traces.tracer(NAME))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let ended = self.traces.as_ref().map_or(Ok(()), SdkTracerProvider::shutdown);
        let ended = ended.and(self.metrics.as_ref().map_or(Ok(()), SdkMeterProvider::shutdown));
        if let Err(error) = ended {
            tracing::debug!(%error, "the last of the telemetry cannot be sent");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Sends requests with the client that everything else here uses.
#[derive(Debug, Clone)]
struct Client {
    client: reqwest::Client,
    handle: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = self.client.request(head.method, head.uri.to_string()).headers(head.headers);
        let request = request.timeout(TIMEOUT).body(body);
        // Whoever waits for this may not be one of tokio's.
        let sent = self.handle.spawn(async move {
            let answer = request.send().await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, bytes) = sent.await?.map_err(reqwest::Error::without_url)?;
        Ok(http::Response::builder().status(status).body(bytes)?)
    }
}

/// A run ended.
pub(crate) fn run_ended(schedule: Option<&str>, end: &'static str, took: Duration) {
    let meter = global::meter(NAME);
    let attributes = [KeyValue::new("schedule", schedule.unwrap_or("none").to_owned()), KeyValue::new("status", end)];
    meter.u64_counter("evidenced.runs").build().add(1, &attributes);
    meter.f64_histogram("evidenced.run.duration").with_unit("s").build().record(took.as_secs_f64(), &attributes);
}

/// What the newest run counted.
pub(crate) fn counted(totals: &evidenced_model::Totals) {
    let meter = global::meter(NAME);
    meter.u64_gauge("evidenced.resources").build().record(totals.resources, &[]);
    meter.u64_gauge("evidenced.gaps").build().record(totals.gaps, &[]);
    let findings = meter.u64_gauge("evidenced.findings").build();
    let verdicts = [
        ("pass", totals.findings.pass),
        ("fail", totals.findings.fail),
        ("unknown", totals.findings.unknown),
        ("not_applicable", totals.findings.not_applicable),
    ];
    for (verdict, count) in verdicts {
        findings.record(count, &[KeyValue::new("verdict", verdict)]);
    }
}

/// What waits for the store.
pub(crate) fn waiting(bytes: u64, runs: u64) {
    let meter = global::meter(NAME);
    meter.u64_gauge("evidenced.spool.bytes").with_unit("By").build().record(bytes, &[]);
    meter.u64_gauge("evidenced.spool.runs").build().record(runs, &[]);
}
