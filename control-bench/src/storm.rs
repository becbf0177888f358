//! Storms: everybody connects at once, while a TCP stream of a subscriber goes on.

use std::error::Error;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use interop::Program;
use serde::Serialize;

use crate::keys::Kind;
use crate::machine::Machine;
use crate::ours::Ours;
use crate::process::{cpu_ms, sent_bytes};

/// One storm on our gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Storm {
    pub(crate) sessions: usize,
    pub(crate) connected: f64,
    pub(crate) failed: String,
    /// Until the last one was up or had failed.
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The flow in Gbit/s before.
    pub(crate) flow_before: f64,
    /// In Gbit/s, while they connected.
    pub(crate) flow_during: f64,
    /// The worst second of that.
    pub(crate) flow_worst: f64,
    /// CPU seconds of the server during the storm, those for the flow included.
    pub(crate) server_cpu: f64,
}

pub(crate) fn measure(
    machine: &mut Machine,
    storms: &[usize],
) -> Result<Vec<Storm>, Box<dyn Error>> {
    let largest = storms.iter().copied().max().unwrap_or(0);
    // One more for the flow.
    let ours = Ours::new(machine, Kind::P256, largest + 1)?;
    let mut all = Vec::new();
    for sessions in storms.iter().copied() {
        let server = ours.up(machine)?;
        let storm = storm(machine, &server, &ours, sessions)
            .inspect_err(|error| eprintln!("{sessions} sessions: {error}\n{}", server.log()));
        Ours::down(server);
        let storm = storm?;
        eprintln!("{storm:?}");
        all.push(storm);
    }
    Ok(all)
}

fn storm(
    machine: &Machine,
    server: &Program,
    ours: &Ours,
    sessions: usize,
) -> Result<Storm, Box<dyn Error>> {
    let mut flow = Flow::start(machine, ours)?;
    sleep(WARM_UP);
    let before = flow.rate(BEFORE);
    let cpu = cpu_ms(server.id())?;
    let count = sessions.to_string();
    let arguments = ["--sessions", &count, "--at-once", &count, "--hold", "1"];
    let mut crowd = machine.crowd(&ours.profiles, &arguments)?;
    let (mut during, began) = (Vec::new(), Instant::now());
    while !crowd.holds_by_now() && began.elapsed() < LONGEST {
        during.push(flow.rate(Duration::from_millis(500)));
    }
    let server_cpu = (cpu_ms(server.id())? - cpu) / 1000.0;
    let report = crowd.report()?;
    let connect = &report["connect"];
    let figure = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    Ok(Storm {
        sessions,
        connected: figure(&connect["connected"]),
        failed: connect["failed"].to_string(),
        seconds: figure(&connect["seconds"]),
        p50_ms: figure(&connect["handshake_ms"]["p50"]),
        p99_ms: figure(&connect["handshake_ms"]["p99"]),
        flow_before: before,
        flow_during: during.iter().sum::<f64>() / during.len().max(1) as f64,
        flow_worst: during
            .chunks(2)
            .map(|second| second.iter().sum::<f64>() / second.len() as f64)
            .fold(f64::INFINITY, f64::min),
        server_cpu,
    })
}

/// A subscriber with `handfast connect` and a TCP stream through the tunnel.
struct Flow {
    client: Program,
    _listener: Program,
    _sender: Program,
}

impl Flow {
    fn start(machine: &Machine, ours: &Ours) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(&machine.handfast);
        command.arg("connect").arg(ours.spare_profile()?);
        command.arg("--state").arg(machine.folder.join("flow-state"));
        let log = machine.folder.join("flow.log");
        let mut client = Program::start(&machine.flow.netns, command, &log)?;
        if !client.says("connected to", Duration::from_secs(20)) {
            return Err(format!("the flow's client did not connect:\n{}", client.log()).into());
        }
        let mut listen = Command::new("iperf3");
        listen.args(["-s", "-1"]);
        let listener =
            Program::start(&machine.server.netns, listen, &machine.folder.join("iperf-s.log"))?;
        sleep(Duration::from_millis(500));
        let mut send = Command::new("iperf3");
        send.args(["-c", TUNNEL_ADDRESS, "-t", "600"]);
        let sender =
            Program::start(&machine.flow.netns, send, &machine.folder.join("iperf-c.log"))?;
        Ok(Self { client, _listener: listener, _sender: sender })
    }

    /// In Gbit/s over that time, by the interface's own count.
    fn rate(&mut self, time: Duration) -> f64 {
        let read = || sent_bytes(self.client.id(), "tun0").unwrap_or(0);
        let (before, began) = (read(), Instant::now());
        sleep(time);
        (read() - before) as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e9
    }
}

/// The gateway's own address in its default network.
const TUNNEL_ADDRESS: &str = "10.71.0.1";
const WARM_UP: Duration = Duration::from_secs(2);
const BEFORE: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(180);
