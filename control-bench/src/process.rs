//! What the kernel says of a process: CPU time and memory.

use std::error::Error;
use std::fs;

/// CPU milliseconds that the threads of a process have had. Servers here keep their threads.
pub(crate) fn cpu_ms(pid: u32) -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended since.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().unwrap_or("0").parse::<f64>()?;
    }
    Ok(nanoseconds / 1e6)
}

/// The share of memory that a process alone is to blame for, in kB (Pss).
pub(crate) fn memory_kb(pid: u32) -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Bytes that an interface has sent, in the namespace of a process.
pub(crate) fn sent_bytes(pid: u32, interface: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(interface))?;
    line.trim_start_matches(':').split_whitespace().nth(8)?.parse().ok()
}
