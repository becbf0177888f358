//! Many devices of one user, with their sessions, and the times at which things happen to them.

#![allow(dead_code, reason = "each test includes it and uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::{Program, World, binary};
use serde_json::Value;
use sysio::lab::Host;

/// A folder with the profiles of so many devices of one user.
pub(crate) fn devices(world: &World, count: usize) -> PathBuf {
    let folder = world.file("crowd");
    fs::create_dir_all(&folder).expect("a folder");
    world.handfast(&["user", "add", "crowd"]);
    let make = |number: usize| {
        let device = format!("crowd/d{number}");
        world.handfast(&["device", "add", &device]);
        let out = world.file(&format!("crowd-{number}"));
        let into = out.display().to_string();
        world.handfast(&["profile", &device, "--out", &into, "--os", "linux", "--form", "unified"]);
        let mut files =
            fs::read_dir(&out).expect("profiles").filter_map(|entry| Some(entry.ok()?.path()));
        let profile = files.find(|path| path.extension().is_some_and(|e| e == "ovpn"));
        fs::rename(profile.expect("a profile"), folder.join(format!("{number:06}.ovpn")))
            .expect("moved");
    };
    std::thread::scope(|scope| {
        for first in 0..MAKERS {
            let make = &make;
            scope.spawn(move || (first..count).step_by(MAKERS).for_each(make));
        }
    });
    folder
}

/// Sessions of all devices of a folder, all of which are up, with the host that they run on: it ends its programs.
pub(crate) fn held(world: &mut World, profiles: &Path) -> (Program, Host) {
    let host = world.host();
    let mut command = Command::new(binary());
    command.arg("bench").arg(profiles).args(["--json", "--hold", "1000"]);
    let mut load = Program::start(&host.netns, command, &world.file("bench.log")).expect("starts");
    assert!(load.says("holding ", Duration::from_secs(240)), "{}", load.log());
    (load, host)
}

/// When the log says that a device's session ended.
pub(crate) fn end_of(log: &str, number: usize) -> f64 {
    let device = format!("\"d{number}\"");
    let ends = |line: &&str| line.contains("disconnected") && line.contains(&device);
    let line = log.lines().find(ends).unwrap_or_else(|| panic!("{device} did not end:\n{log}"));
    time_of_day(line.split_whitespace().next().unwrap_or(""))
}

/// A time stamp in JSON: milliseconds, or as people write it.
pub(crate) fn milliseconds_of_day(at: &Value) -> f64 {
    match at.as_u64() {
        Some(milliseconds) => (milliseconds % DAY) as f64,
        None => time_of_day(at.as_str().expect("a time stamp")),
    }
}

/// `2026-01-31T23:59:59.123456Z`, in milliseconds since midnight.
fn time_of_day(text: &str) -> f64 {
    let time = text.split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z'));
    let parts = time.split(':').map(|part| part.parse::<f64>().expect("a time"));
    parts.fold(0.0, |sum, part| sum * 60.0 + part) * 1000.0
}

/// The middle one, and the one that 99 of 100 do not exceed.
pub(crate) fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).ceil() as usize];
    (at(0.5), at(0.99))
}

const MAKERS: usize = 4;
const DAY: u64 = 24 * 3600 * 1000;
