//! A process that is measured. It ends with this value.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a process to be ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Clock ticks in a second, as `/proc` counts them on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A child process.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it and waits until `is_ready`; where it writes a log, that says why it isn't.
    pub(crate) fn start(command: &mut Command, log: Option<&Path>, is_ready: impl Fn() -> bool) -> Self {
        let mut process = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        let said = || log.and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default();
        while !is_ready() {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {}", said());
            assert!(begun.elapsed() < PATIENCE, "{command:?} does not become ready: {}", said());
            std::thread::sleep(LOOK_EVERY);
        }
        process
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Duration {
        ticks(&stat(self.0.id()).unwrap(), OWN_TIME)
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }
}

/// User and system time of a process, and the number of these fields.
const OWN_TIME: (usize, usize) = (11, 2);
/// The same of itself and of its children that have ended.
const TIME_WITH_ENDED: (usize, usize) = (11, 4);

/// The fields after the name in brackets, if the process is there: its state, its parent and so on.
fn stat(process: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

fn ticks(stat: &[String], (first, count): (usize, usize)) -> Duration {
    let ticks: u64 = stat.iter().skip(first).take(count).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// Processor time so far of a process and of all its children.
pub(crate) fn cpu_of_family(parent: u32) -> Duration {
    let own = ticks(&stat(parent).unwrap(), TIME_WITH_ENDED);
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = all.filter_map(stat).filter(|stat| stat[1] == parent.to_string());
    own + children.map(|stat| ticks(&stat, OWN_TIME)).sum::<Duration>()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address that nothing listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}
