//! Memory, file descriptors and CPU time of this process, under the standard names of Prometheus client libraries.

use prometheus_client::registry::Registry;

/// Registers a collector that reads them from `/proc` at each scrape. Only Linux has them.
pub(super) fn register(registry: &mut Registry) {
    #[cfg(target_os = "linux")]
    registry.register_collector(Box::new(linux::Process));
    #[cfg(not(target_os = "linux"))]
    let _ = registry;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Error;

    use procfs::ProcResult;
    use procfs::process::{self, LimitValue};
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;

    #[derive(Debug)]
    pub(super) struct Process;

    /// The values of the metrics.
    struct Usage {
        cpu_seconds: f64,
        resident_bytes: u64,
        virtual_bytes: u64,
        open_descriptors: u64,
        max_descriptors: Option<u64>,
        threads: i64,
        started: u64,
    }

    fn usage() -> ProcResult<Usage> {
        let process = process::Process::myself()?;
        let (stat, memory) = (process.stat()?, process.statm()?);
        let ticks = procfs::ticks_per_second();
        Ok(Usage {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks as f64,
            resident_bytes: memory.resident * procfs::page_size(),
            virtual_bytes: memory.size * procfs::page_size(),
            open_descriptors: process.fd_count()? as u64,
            max_descriptors: match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(limit) => Some(limit),
                LimitValue::Unlimited => None,
            },
            threads: stat.num_threads,
            started: procfs::boot_time_secs()? + stat.starttime / ticks,
        })
    }

    impl Collector for Process {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
            let usage = match usage() {
                Ok(usage) => usage,
                Err(error) => {
                    log::debug!("could not read the process metrics from /proc: {error}");
                    return Ok(());
                }
            };
            let mut gauge = |name, help, value: u64| {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
            };
            gauge("process_resident_memory_bytes", "Resident memory.", usage.resident_bytes)?;
            gauge("process_virtual_memory_bytes", "Virtual memory.", usage.virtual_bytes)?;
            gauge("process_open_fds", "Open file descriptors.", usage.open_descriptors)?;
            if let Some(limit) = usage.max_descriptors {
                gauge("process_max_fds", "Maximum number of open file descriptors.", limit)?;
            }
            gauge("process_threads", "Threads.", usage.threads.unsigned_abs())?;
            gauge("process_start_time_seconds", "Start time of the process, in Unix time.", usage.started)?;
            let cpu = ConstCounter::new(usage.cpu_seconds);
            let help = "User and system CPU time.";
            cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)
        }
    }
}
