//! `iperf3` between two hosts: one stream of TCP, as fast as it goes.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sysio::lab::Host;

use crate::Program;

/// Runs one stream for so many seconds and returns how much each second but the first carried, in
/// Gbit/s, as `client` counted. The stream goes to the client if `down`. Its congestion control is
/// cubic, which obeys loss.
///
/// # Errors
/// What iperf3 said, if it did not come to an end.
pub fn iperf(
    server: &Host,
    client: &Host,
    address: IpAddr,
    down: bool,
    seconds: u32,
    log: &Path,
) -> Result<Vec<f64>, String> {
    let start = |host: &Host, command, end: &str| {
        let started = Program::start(&host.netns, command, &log.with_extension(end));
        started.map_err(|error| format!("iperf3 did not start: {error}"))
    };
    let mut listen = Command::new("iperf3");
    listen.args(["-s", "-1", "--forceflush", "-B", &address.to_string()]);
    let mut server = start(server, listen, "server")?;
    if !server.says("Server listening", STARTS) {
        return Err(server.log());
    }
    let mut connect = Command::new("iperf3");
    connect.args(["-J", "-O", "1", "-C", "cubic", "-c", &address.to_string()]);
    connect.args(["-t", &seconds.to_string()]).args(down.then_some("-R"));
    let mut client = start(client, connect, "client")?;
    let limit = Duration::from_secs(u64::from(seconds) + 20);
    client.ends(limit);
    server.ends(STARTS);
    rates(&serde_json::from_str(&client.log()).unwrap_or_default()).ok_or_else(|| client.log())
}

/// Seconds that are whole and were to be counted.
fn rates(report: &Value) -> Option<Vec<f64>> {
    let whole = |sum: &&Value| sum["seconds"].as_f64().is_some_and(|s| s > 0.9);
    let counted = |sum: &&Value| sum["omitted"] == false;
    let sums = report["intervals"].as_array()?.iter().map(|interval| &interval["sum"]);
    let rates = sums.filter(counted).filter(whole);
    let rates: Vec<_> = rates.filter_map(|s| Some(s["bits_per_second"].as_f64()? / 1e9)).collect();
    Some(rates).filter(|rates| !rates.is_empty())
}

const STARTS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_that_were_to_be_counted_are_rates_and_a_report_of_a_failure_has_none() {
        let second = |omitted: bool, seconds: f64, bits: f64| {
            let sum = serde_json::json!({
                "omitted": omitted, "seconds": seconds, "bits_per_second": bits
            });
            serde_json::json!({ "sum": sum })
        };
        let intervals = [second(true, 1.0, 1e9), second(false, 1.0, 5e9), second(false, 0.01, 9e9)];
        let report = serde_json::json!({ "intervals": intervals });
        assert_eq!(rates(&report), Some(vec![5.0]));
        assert_eq!(rates(&serde_json::json!({ "error": "unable to connect" })), None);
    }
}
