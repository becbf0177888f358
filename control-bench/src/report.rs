//! All figures, as JSON and as a table for people.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::cost::Cost;
use crate::memory::{Memory, Size};
use crate::storm::Storm;

/// One run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    machine: String,
    load_before: String,
    versions: String,
    pub(crate) cost: Vec<Cost>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) storms: Vec<Storm>,
}

impl Report {
    pub(crate) fn of_this_machine() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
        let model = model.trim_start_matches([' ', '\t', ':']);
        let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            machine: format!("{count} cores, {model}, Linux {}", kernel.trim()),
            load_before: read("/proc/loadavg").trim().to_owned(),
            versions: versions(),
            ..Self::default()
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("control.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(folder.join("control.md"), self.markdown())?;
        Ok(())
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# The control plane, measured\n\n");
        let _ = writeln!(
            text,
            "{}; load average before the run {}; {}. Written by `cargo xtask bench control`; the \
             clients of both servers are `handfast bench`, on the same cores.",
            self.machine, self.load_before, self.versions
        );
        self.write_cost(&mut text);
        self.write_memory(&mut text);
        self.write_storms(&mut text);
        text
    }

    fn write_cost(&self, text: &mut String) {
        if self.cost.is_empty() {
            return;
        }
        text.push_str(
            "\n## Server CPU for a handshake, ms\n\nTLS 1.3, tls-auth, certificates on both sides, \
             push included; after 20 handshakes that are not counted. Handfast's own certificate is the \
             P-256 one for every client that reads it, as here. Each round starts both servers anew. \
             Handfast looks at the CA's signature when a certificate first comes after a start, and not \
             again when its device renews keys or comes back. In the first round the devices connect for \
             the first time ever, which is an event on disk. ",
        );
        let rounds = self.cost.first().map_or(0, |cost| cost.handfast.0.len());
        let _ = writeln!(text, "Median (least-most) of {rounds} rounds.");
        text.push_str(
            "\n| certificates | how | openvpn | Handfast | Handfast / openvpn |\n|---|---|---|---|---|\n",
        );
        for cost in &self.cost {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.2} |",
                cost.kind,
                cost.how,
                cost.openvpn.spread(),
                cost.handfast.spread(),
                cost.handfast.median() / cost.openvpn.median()
            );
        }
    }

    fn write_memory(&self, text: &mut String) {
        if self.memory.is_empty() {
            return;
        }
        text.push_str(
            "\n## Memory for an idle session, kB\n\nPss beyond that of the server without sessions; \
             in brackets the latter.\n\n| sessions | openvpn | Handfast |\n|---|---|---|\n",
        );
        let cell = |size: Option<Size>| match size {
            Some(size) => format!("{:.1} ({:.0})", size.each, size.base),
            None => "failed".to_owned(),
        };
        for memory in &self.memory {
            let (openvpn, handfast) = (cell(memory.openvpn), cell(memory.handfast));
            let _ = writeln!(text, "| {} | {openvpn} | {handfast} |", memory.sessions);
        }
    }

    fn write_storms(&self, text: &mut String) {
        if self.storms.is_empty() {
            return;
        }
        text.push_str(
            "\n## Storms of connects on Handfast\n\nAll at once, default configuration, while one TCP \
             stream of a subscriber goes on; its rate in Gbit/s before, in the mean of the storm, and \
             in the worst second.\n\n\
             | sessions | connected | failed | seconds | p50 ms | p99 ms | flow before | during | worst |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for storm in &self.storms {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
                storm.sessions,
                storm.connected,
                storm.failed,
                storm.seconds,
                storm.p50_ms,
                storm.p99_ms,
                storm.flow_before,
                storm.flow_during,
                storm.flow_worst
            );
        }
    }
}

fn versions() -> String {
    let output = std::process::Command::new("openvpn").arg("--version").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
