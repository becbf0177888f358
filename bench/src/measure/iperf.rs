//! `iperf3` through a tunnel. One run has one server that ends with it.

use std::process::Command;
use std::time::Duration;

use interop::Program;
use serde_json::Value;

use super::Bench;
use crate::error::BenchError;
use crate::interrupt;

/// A run that goes on.
pub(super) struct Iperf {
    server: Program,
    client: Program,
    limit: Duration,
}

/// What a run carried, without its first second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Carried {
    /// Gbit/s, as the receiver counted.
    pub(super) gbit: f64,
    /// Retransmitted segments for every GB that was sent.
    pub(super) retransmits_per_gb: f64,
}

impl Iperf {
    /// Starts both ends. The first second is not counted.
    pub(super) fn start(
        bench: &Bench<'_>,
        streams: u32,
        up: bool,
        seconds: u32,
    ) -> Result<Self, BenchError> {
        let failed = |e: std::io::Error| BenchError::tool("iperf3", e.to_string());
        let mut listen = Command::new("iperf3");
        listen.args(["-s", "-1", "--forceflush"]);
        let log = bench.log.with_extension("iperf3-server");
        let mut server = Program::start(&bench.topology.server, listen, &log).map_err(failed)?;
        if !server.says("Server listening", Duration::from_secs(5)) {
            return Err(BenchError::tool("iperf3 -s", server.log()));
        }
        let mut connect = Command::new("iperf3");
        connect.args(["-J", "-O", "1", "-c", &bench.tunnel.address.to_string()]);
        connect.args(["-t", &seconds.to_string(), "-P", &streams.to_string()]);
        connect.args((!up).then_some("-R"));
        let log = bench.log.with_extension("iperf3-client");
        let client = Program::start(&bench.topology.client, connect, &log).map_err(failed)?;
        Ok(Self { server, client, limit: Duration::from_secs(u64::from(seconds) + 20) })
    }

    /// Waits for the end.
    pub(super) fn finish(mut self) -> Result<Carried, BenchError> {
        let ended = self.client.ends(self.limit);
        interrupt::check()?;
        if ended.is_none() {
            return Err(BenchError::tool("iperf3", "it did not end; the stream stands still"));
        }
        self.server.ends(Duration::from_secs(3));
        let report: Value = serde_json::from_str(&self.client.log()).unwrap_or_default();
        parse(&report).ok_or_else(|| {
            let said = report["error"].as_str().map_or_else(|| self.client.log(), str::to_owned);
            BenchError::tool("iperf3", said)
        })
    }
}

fn parse(report: &Value) -> Option<Carried> {
    let end = &report["end"];
    let bits = end["sum_received"]["bits_per_second"].as_f64()?;
    let sent = end["sum_sent"]["bytes"].as_f64()?;
    let retransmits = end["sum_sent"]["retransmits"].as_f64().unwrap_or(f64::NAN);
    let retransmits_per_gb = retransmits / (sent / 1e9).max(f64::MIN_POSITIVE);
    Some(Carried { gbit: bits / 1e9, retransmits_per_gb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_one_about_a_failure_is_none() {
        let report = serde_json::json!({"end": {
            "sum_sent": {"bytes": 2e9, "retransmits": 3},
            "sum_received": {"bits_per_second": 5e9},
        }});
        assert_eq!(parse(&report), Some(Carried { gbit: 5.0, retransmits_per_gb: 1.5 }));
        assert_eq!(parse(&serde_json::json!({"error": "unable to connect"})), None);
    }
}
