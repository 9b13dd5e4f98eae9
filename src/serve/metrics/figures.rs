//! The figures behind the metrics, in tables that are sorted and do not grow without end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_model::Clock;
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::SpoolStatus;

/// The most rows of a table; what comes after them is counted under [`OTHER`].
const ROWS: usize = 1000;
/// The longest label, in characters.
const LONGEST: usize = 128;
/// Where all that finds no room is counted together.
const OTHER: &str = "other";

/// Values by label, in a fixed order of labels.
#[derive(Debug)]
pub(super) struct Table<V, const N: usize>(BTreeMap<[Box<str>; N], V>);

#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) build: Table<u64, 1>,
    pub(super) ready: bool,
    pub(super) not_ready: Table<u64, 1>,
    pub(super) runs: Table<u64, 2>,
    pub(super) missed: Table<u64, 1>,
    pub(super) last: Table<i64, 1>,
    pub(super) next: Table<i64, 1>,
    pub(super) overdue: Table<u64, 1>,
    pub(super) active: Table<u64, 1>,
    pub(super) durations: Table<Histogram, 1>,
    pub(super) evidence: Table<Evidence, 2>,
    pub(super) findings: Table<u64, 2>,
    pub(super) gaps: Table<u64, 1>,
    pub(super) resources: Option<u64>,
    pub(super) controls: Table<u64, 2>,
    pub(super) calls: Table<u64, 3>,
    pub(super) spool: Option<SpoolStatus>,
    pub(super) pushes: Table<u64, 1>,
    pub(super) log_index: Option<u64>,
    pub(super) reloads: Table<u64, 1>,
    pub(super) config_valid: bool,
    pub(super) notifications: Table<u64, 2>,
    pub(super) clock_skew: Option<f64>,
}

/// When evidence was collected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence(pub(super) Timestamp);

/// The figures, and the clock that ages are taken by.
pub(super) struct Kept {
    pub(super) figures: Mutex<Figures>,
    pub(super) clock: Arc<dyn Clock>,
}

impl<V, const N: usize> Default for Table<V, N> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V, const N: usize> Table<V, N> {
    /// The row with these labels, or one for all that find no room.
    pub(super) fn row(&mut self, labels: [&str; N], new: impl FnOnce() -> V) -> &mut V {
        let key = labels.map(|label| label.chars().take(LONGEST).collect());
        let key = if self.0.len() < ROWS || self.0.contains_key(&key) { key } else { [OTHER; N].map(Box::from) };
        self.0.entry(key).or_insert_with(new)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<V: Copy, const N: usize> Table<V, N> {
    pub(super) fn put(&mut self, labels: [&str; N], value: V) {
        *self.row(labels, || value) = value;
    }
}

impl<const N: usize> Table<u64, N> {
    pub(super) fn add(&mut self, labels: [&str; N], count: u64) {
        let row = self.row(labels, || 0);
        *row = row.saturating_add(count);
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("figures", &self.figures).finish_non_exhaustive()
    }
}

impl Collector for Kept {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.clock.now();
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        Page(encoder).write(&figures, now)
    }
}

/// The page that is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn write(mut self, figures: &Figures, now: Timestamp) -> fmt::Result {
        self.gauges("build_info", "The program", ["version"], &figures.build)?;
        self.gauge("ready", "Whether evidence is where it should be, in time", Some(u64::from(figures.ready)))?;
        self.gauges("not_ready", "Why evidence is not where it should be", ["reason"], &figures.not_ready)?;
        self.counters("runs", "Runs by how they ended", ["schedule", "status"], &figures.runs)?;
        self.counters("slots_missed", "Slots that passed without a run", ["schedule"], &figures.missed)?;
        let help = "When the newest stored run ended";
        self.gauges("last_run_timestamp_seconds", help, ["schedule"], &figures.last)?;
        self.gauges("next_run_timestamp_seconds", "When the next run is due", ["schedule"], &figures.next)?;
        let help = "For how long the newest due run is overdue";
        self.gauges("overdue_seconds", help, ["schedule"], &figures.overdue)?;
        self.gauges("run_active", "Whether a run is under way", ["schedule"], &figures.active)?;
        let row = |histogram: &Histogram| histogram.clone();
        let help = "How long runs took";
        self.table("run_duration_seconds", help, MetricType::Histogram, ["schedule"], &figures.durations, row)?;
        let age = |evidence: &Evidence| ConstGauge::new(now.duration_since(evidence.0).as_secs().max(0));
        let (name, help) = ("evidence_age_seconds", "The age of the newest stored evidence");
        self.table(name, help, MetricType::Gauge, ["provider", "account"], &figures.evidence, age)?;
        self.gauges("findings", "Findings of the newest run", ["verdict", "severity"], &figures.findings)?;
        self.gauges("gaps", "What the newest run could not read", ["provider"], &figures.gaps)?;
        self.gauge("resources", "Resources of the newest run", figures.resources)?;
        self.gauges("controls", "Controls by how they stand", ["catalog", "standing"], &figures.controls)?;
        self.counters("calls", "Calls to clouds", ["provider", "service", "outcome"], &figures.calls)?;
        let spool = figures.spool.as_ref();
        self.gauge("spool_bytes", "Bytes in the spool", spool.map(|spool| spool.bytes))?;
        self.gauge("spool_limit_bytes", "The most that the spool may hold", spool.map(|spool| spool.limit_bytes))?;
        self.gauge("spool_runs", "Sealed runs that wait for the store", spool.map(|spool| spool.runs))?;
        self.gauge("spool_entries", "Log entries that wait for the store", spool.map(|spool| spool.entries))?;
        self.counters("pushes", "What was sent to the store", ["result"], &figures.pushes)?;
        self.gauge("log_index", "The index of the newest log entry", figures.log_index)?;
        self.counters("config_reloads", "Changed configs that were read", ["result"], &figures.reloads)?;
        let help = "Whether the config in the file is the one in force";
        self.gauge("config_valid", help, Some(u64::from(figures.config_valid)))?;
        self.counters("notifications", "What was told", ["target", "result"], &figures.notifications)?;
        let help = "Our clock against the providers', in the newest run";
        self.one("clock_skew_seconds", help, figures.clock_skew.map(ConstGauge::new))
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
        self.one(name, help, value.map(ConstGauge::new))
    }

    fn one(&mut self, name: &str, help: &str, metric: Option<impl EncodeMetric>) -> fmt::Result {
        let Some(metric) = metric else { return Ok(()) };
        let name = format!("evidenced_{name}");
        metric.encode(self.0.encode_descriptor(&name, help, None, metric.metric_type())?)
    }

    fn gauges<V: Copy, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        table: &Table<V, N>,
    ) -> fmt::Result
    where
        ConstGauge<V>: EncodeMetric,
    {
        self.table(name, help, MetricType::Gauge, labels, table, |value| ConstGauge::new(*value))
    }

    /// The names of counters get their `_total` from the encoder.
    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        table: &Table<u64, N>,
    ) -> fmt::Result {
        self.table(name, help, MetricType::Counter, labels, table, |value| ConstCounter::new(*value))
    }

    fn table<V, M: EncodeMetric, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        labels: [&'static str; N],
        table: &Table<V, N>,
        metric: impl Fn(&V) -> M,
    ) -> fmt::Result {
        if table.0.is_empty() {
            return Ok(());
        }
        let name = format!("evidenced_{name}");
        let mut encoder = self.0.encode_descriptor(&name, help, None, kind)?;
        for (values, value) in &table.0 {
            let values = values.each_ref().map(AsRef::as_ref);
            let set: Vec<(&str, &str)> = labels.into_iter().zip(values).collect();
            metric(value).encode(encoder.encode_family(&set)?)?;
        }
        Ok(())
    }
}
