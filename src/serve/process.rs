//! What the operating system says of this process, as Prometheus' own clients tell it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads `/proc` at each scrape; where there is none, it says nothing.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            None => Ok(()),
            Some(value) => {
                ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
            }
        };
        gauge("process_resident_memory_bytes", "Resident memory size in bytes", resident())?;
        gauge("process_start_time_seconds", "Start time of the process since the Unix epoch in seconds", start())?;
        gauge("process_open_fds", "Number of open file descriptors", open_files())?;
        gauge("process_max_fds", "Maximum number of open file descriptors", most_files())
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn resident() -> Option<f64> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// The boot, and the clock ticks from there to the start. There are 100 a second on every Linux that Rust knows.
fn start() -> Option<f64> {
    let stat = read("/proc/self/stat")?;
    // The name stands in brackets and may hold anything; the 22nd value is the 20th behind it.
    let ticks: f64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let boot = read("/proc/stat")?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / 100.0)
}

fn open_files() -> Option<f64> {
    // The folder itself is open while it is counted.
    Some((std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1)) as f64)
}

fn most_files() -> Option<f64> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells() {
        assert!(resident().unwrap() > 100_000.0);
        assert!(start().unwrap() > 1.6e9);
        assert!(open_files().unwrap() >= 3.0);
        assert!(most_files().unwrap() >= open_files().unwrap());
    }
}
