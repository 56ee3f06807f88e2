//! What the system tells of a process: time on the processor, memory, bytes written.
//!
//! All of it from Linux's /proc, which costs nothing while nobody reads it.

use super::error::BenchError;

/// How many of its units the kernel counts in a second in /proc/PID/stat; the same on every Linux.
const TICKS: f64 = 100.0;

/// A process to measure.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    directory: String,
}

impl Meter {
    /// This process.
    pub(super) fn own() -> Self {
        Self {
            directory: "/proc/self".to_owned(),
        }
    }

    /// Another process.
    pub(super) fn of(id: u32) -> Self {
        Self {
            directory: format!("/proc/{id}"),
        }
    }

    /// Seconds on the processor so far, in user and in kernel mode, over all threads.
    pub(super) fn cpu(&self) -> Result<Cpu, BenchError> {
        let text = self.read("stat")?;
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = text
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let seconds = |index: usize| {
            let ticks = fields
                .get(index)
                .and_then(|field| field.parse::<u64>().ok());
            ticks.unwrap_or_default() as f64 / TICKS
        };
        Ok(Cpu {
            user: seconds(11),
            kernel: seconds(12),
        })
    }

    /// The most memory that it ever had, and what it has now, in MiB.
    pub(super) fn memory(&self) -> Result<Memory, BenchError> {
        let text = self.read("status")?;
        let mib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or_default() as f64 / 1024.0
        };
        Ok(Memory {
            peak_mib: mib("VmHWM:"),
            now_mib: mib("VmRSS:"),
        })
    }

    /// Bytes that it had written to the disk so far.
    pub(super) fn written(&self) -> Result<u64, BenchError> {
        let text = self.read("io")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes:"));
        Ok(line
            .and_then(|line| line.trim().parse().ok())
            .unwrap_or_default())
    }

    fn read(&self, file: &str) -> Result<String, BenchError> {
        let path = format!("{}/{file}", self.directory);
        std::fs::read_to_string(&path).map_err(|source| BenchError::Proc { path, source })
    }
}

/// Seconds on the processor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) kernel: f64,
}

impl Cpu {
    pub(super) fn total(self) -> f64 {
        self.user + self.kernel
    }
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            kernel: self.kernel - before.kernel,
        }
    }
}

impl std::ops::AddAssign for Cpu {
    fn add_assign(&mut self, more: Self) {
        self.user += more.user;
        self.kernel += more.kernel;
    }
}

/// Memory in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) peak_mib: f64,
    pub(super) now_mib: f64,
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_measured() {
        let meter = Meter::own();
        let memory = meter.memory().unwrap();
        assert!(memory.now_mib > 0.5 && memory.peak_mib >= memory.now_mib);
        assert!(meter.cpu().unwrap().total() >= 0.0);
        meter.written().unwrap();
        assert!(Meter::of(u32::MAX).cpu().is_err());
    }
}
