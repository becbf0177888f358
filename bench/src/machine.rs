//! What the figures belong to: the machine, its kernel, the programs' versions.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::contestants::Workshop;

/// Names and values, for the report.
pub(crate) type Facts = BTreeMap<&'static str, String>;

/// Collects them. What can't be found out is said as unknown.
pub(crate) fn facts(workshop: &Workshop) -> Facts {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut facts = Facts::from([
        ("date", first_line(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))),
        ("processor", format!("{cores} x {}", processor())),
        ("memory", memory()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load_average_before", read("/proc/loadavg")),
        ("handfast", first_line(workshop.handfast().arg("--version"))),
        ("revision", first_line(Command::new("git").args(["describe", "--always", "--dirty"]))),
        ("openvpn", version(Command::new("openvpn"))),
        ("iperf3", version(Command::new("iperf3"))),
    ]);
    for (name, program) in [("openvpn-sid", "openvpn"), ("wireguard-go", "wireguard-go")] {
        facts.insert(name, workshop.sid(program).map_or_else(|e| e.to_string(), version));
    }
    facts
}

fn version(mut command: Command) -> String {
    let line = first_line(command.arg("--version"));
    // What follows are build options.
    line.split(" [").next().unwrap_or_default().to_owned()
}

/// The first line that a command prints.
fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    text.lines().next().map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| "unknown".to_owned())
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok());
    kilobytes.map_or_else(|| "unknown".to_owned(), |kb| format!("{:.1} GiB", kb / 1048576.0))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
