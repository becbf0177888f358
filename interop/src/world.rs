//! One gateway, the network around it, and its subscribers.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use sysio::lab::{Host, Lab, LabError};
use sysio::{Netns, NetnsError, SmallDisk};

use crate::{FailingDisk, Program, wait_until};

/// A running gateway and the hosts around it.
#[derive(Debug)]
pub struct World {
    /// Where the gateway runs.
    pub gateway: Host,
    /// A host that is reached only through the gateway.
    pub lan: Host,
    /// The running `handfast up`.
    pub up: Option<Program>,
    /// What `handfast up` does without when it is started next (`HANDFAST_WITHOUT`).
    pub without: &'static str,
    lab: Lab,
    /// Under the data folder, where it has one of its own.
    disk: Option<SmallDisk>,
    failing_disk: Option<FailingDisk>,
    folder: PathBuf,
    settings: Vec<(String, String)>,
}

/// A host with somebody's profiles on it.
#[derive(Debug)]
pub struct Subscriber {
    /// Where it runs.
    pub host: Host,
    /// Its profiles.
    pub folder: PathBuf,
}

/// Says that a test was left out, and why. `cargo xtask` counts these lines.
pub fn skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

/// Whether long variants were asked for (`HANDFAST_LONG=1`).
pub fn long() -> bool {
    std::env::var_os("HANDFAST_LONG").is_some_and(|value| value == "1")
}

impl World {
    /// A gateway with an empty data folder and these settings (`"vpn.ping"`, `"1"`), up and answering.
    /// `None`, said by name, where this machine cannot do it.
    pub fn start(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let mut world = Self::make(test, settings)?;
        world.bring_up();
        Some(world)
    }

    /// The same with a disk of so many bytes under the data folder.
    pub fn start_on_disk(test: &str, bytes: u64) -> Option<Self> {
        if let Err(error) = SmallDisk::private_mounts() {
            skip(test, &format!("mounts of its own need root: {error}"));
            return None;
        }
        let mut world = Self::make(test, &[])?;
        fs::create_dir(world.data()).expect("a data folder");
        world.disk = Some(SmallDisk::mount(&world.data(), bytes).expect("a disk"));
        world.bring_up();
        Some(world)
    }

    /// The same with a disk that may fail while the gateway runs.
    pub fn start_on_failing_disk(test: &str, bytes: u64) -> Option<Self> {
        if let Err(error) = SmallDisk::private_mounts() {
            skip(test, &format!("mounts of its own need root: {error}"));
            return None;
        }
        let mut world = Self::make(test, &[])?;
        fs::create_dir(world.data()).expect("a data folder");
        match FailingDisk::mount(&world.file("image"), &world.data(), bytes) {
            Ok(disk) => world.failing_disk = Some(disk),
            Err(why) => {
                skip(test, &format!("no file system on a loop device: {why}"));
                return None;
            }
        }
        world.bring_up();
        Some(world)
    }

    /// The disk under the data folder that may fail.
    pub fn failing_disk(&self) -> &FailingDisk {
        self.failing_disk.as_ref().expect("a disk that may fail")
    }

    /// The disk under the data folder.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("a disk of its own")
    }

    fn make(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        for program in ["openvpn", "ping", "nft"] {
            if !on_path(program) {
                skip(test, &format!("{program} is not installed"));
                return None;
            }
        }
        if let Err(error) = File::options().read(true).write(true).open(TUN) {
            skip(test, &format!("{TUN} can't be opened: {error}"));
            return None;
        }
        let mut lab = match Lab::new() {
            Ok(lab) => lab,
            Err(LabError::Netns(NetnsError::Denied(_))) => {
                skip(test, "network namespaces need root");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let gateway = lab.host(2).expect("a gateway host");
        let lan = lab.host_behind(&gateway).expect("a host behind the gateway");
        let folder = fresh_folder(test);
        let settings =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (up, disk, failing_disk) = (None, None, None);
        Some(Self { gateway, lan, up, without: "", lab, disk, failing_disk, folder, settings })
    }

    /// Starts the gateway, again if it ran before.
    pub fn bring_up(&mut self) {
        let first = !self.data().join("handfast.toml").exists();
        if first && !self.settings.is_empty() {
            // The first start writes the configuration; it takes effect at the second.
            let mut start = self.launch();
            assert!(self.answers(), "the gateway did not start:\n{}", start.log());
            start.signal("TERM");
            start.ends(Duration::from_secs(10));
            self.apply_settings();
        }
        let program = self.launch();
        if !self.answers() {
            program.signal("KILL");
            panic!("the gateway did not start:\n{}", program.log());
        }
        self.up = Some(program);
    }

    /// Stops the gateway as a service manager would.
    pub fn bring_down(&mut self) {
        if let Some(mut program) = self.up.take() {
            program.signal("TERM");
            assert!(program.ends(Duration::from_secs(10)).is_some(), "{}", program.log());
        }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where the gateway is asked to write a key log.
    pub fn key_log(&self) -> PathBuf {
        self.folder.join("key-log")
    }

    /// A place for a test's own files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command on the gateway; panics where it fails. Returns what it printed.
    pub fn handfast(&self, arguments: &[&str]) -> String {
        let output = self.try_handfast(arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "handfast {arguments:?}: {printed}{said}");
        printed
    }

    /// Runs a command on the gateway.
    pub fn try_handfast(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        self.gateway.netns.output(command).expect("handfast starts")
    }

    /// Runs a command with `--json` and parses its answer.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        serde_json::from_str(&self.handfast(&with_json)).expect("JSON")
    }

    /// Another host at the router.
    pub fn host(&mut self) -> Host {
        self.lab.host(1).expect("a host")
    }

    /// A host that may speak from every address of this IPv4 network, which is led to it.
    pub fn host_of_many(&mut self, network: &str) -> Host {
        let host = self.host();
        run(&host.netns, "ip", &["route", "add", "local", network, "dev", "lo"]);
        run(self.lab.router(), "ip", &["route", "add", network, "via", &host.v4[0].to_string()]);
        host
    }

    /// A host that reaches the router by a link of `mtu` bytes in the middle, behind a router of its own that
    /// translates its address. Nobody on the way tells that a packet is too large.
    pub fn host_behind_a_narrow_link(&mut self, mtu: u16) -> (Host, Host) {
        let front = self.host();
        let host = self.lab.host_behind(&front).expect("a host behind");
        let number = (front.v4[0].octets()[3] - 2) / 16 + 1;
        let narrow = |netns: &Netns, interface: &str| {
            let mtu = mtu.to_string();
            let rules = "add table inet quiet; \
                         add chain inet quiet out { type filter hook output priority 0; }; \
                         add rule inet quiet out icmp type destination-unreachable drop; \
                         add rule inet quiet out icmpv6 type packet-too-big drop";
            run(netns, "ip", &["link", "set", interface, "mtu", &mtu]);
            run(netns, "nft", &[rules]);
        };
        narrow(self.lab.router(), &format!("to-{number}"));
        narrow(&front.netns, "eth0");
        let translates = "add table inet home; \
                          add chain inet home post { type nat hook postrouting priority 100; }; \
                          add rule inet home post oifname eth0 masquerade";
        run(&front.netns, "nft", &[translates]);
        let forward = || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        };
        front.netns.run(forward).expect("a thread").expect("it forwards");
        (host, front)
    }

    /// A host with a fresh Linux profile of `user` or `user/device` (made if new), in `form`.
    pub fn subscriber(&mut self, user: &str, form: &str) -> Subscriber {
        let host = self.host();
        let (name, device) = user.split_once('/').unwrap_or((user, "default"));
        if !self.json(&["user", "list"]).to_string().contains(&format!("\"{name}\"")) {
            self.handfast(&["user", "add", name]);
        }
        if device != "default" {
            self.handfast(&["device", "add", user]);
        }
        let folder = self.folder.join(format!("{name}-{device}-{form}"));
        let out = folder.display().to_string();
        self.handfast(&["profile", user, "--out", &out, "--os", "linux", "--form", form]);
        Subscriber { host, folder }
    }

    /// Starts another gateway on the same machine, of another data folder.
    pub fn another(&self, data: &Path) -> Program {
        let mut command = Command::new(binary());
        command.arg("--data").arg(data);
        command.args(["up", "--public", &self.gateway.v4[0].to_string()]);
        let log = self.folder.join("another.log");
        Program::start(&self.gateway.netns, command, &log).expect("the gateway starts")
    }

    /// The value of a counter in `status --json`, under `refusals` or `drops`.
    pub fn counted(&self, code: &str) -> u64 {
        let status = self.json(&["status"]);
        let of = |table: &str| status[table][code].as_u64().unwrap_or(0);
        of("refusals") + of("drops")
    }

    /// Whether so many come to be: a client may hear that it is refused before that is counted.
    pub fn counts(&self, code: &str, at_least: u64) -> bool {
        wait_until(Duration::from_secs(5), || self.counted(code) >= at_least)
    }

    /// Everybody who is connected, as `sessions --json` says.
    pub fn sessions(&self) -> Vec<Value> {
        self.json(&["sessions"]).as_array().cloned().unwrap_or_default()
    }

    /// Waits until so many are connected; `false` where it does not come to that.
    pub fn sessions_become(&self, count: usize, limit: Duration) -> bool {
        wait_until(limit, || self.sessions().len() == count)
    }

    /// The sum of a figure of `status --json` over its labels.
    pub fn figure(&self, name: &str) -> f64 {
        let status = self.json(&["status"]);
        let figures = status["figures"].as_array().map_or(&[][..], Vec::as_slice);
        let named = figures.iter().filter(|figure| figure["name"] == name);
        named.filter_map(|figure| figure["value"].as_f64()).sum()
    }

    /// What the gateway logged.
    pub fn log(&self) -> String {
        self.up.as_ref().map(Program::log).unwrap_or_default()
    }

    /// How the gateway is started.
    pub fn up_command(&self) -> Command {
        let mut command = self.command();
        command.args(["up", "--public", &self.gateway.v4[0].to_string()]);
        command.env("HANDFAST_WITHOUT", self.without);
        // It writes none, wherever somebody asks for one.
        command.env("SSLKEYLOGFILE", self.key_log());
        command
    }

    /// Starts the gateway without waiting for its answer.
    pub fn launch(&self) -> Program {
        let command = self.up_command();
        Program::start(&self.gateway.netns, command, &self.folder.join("gateway.log"))
            .expect("the gateway starts")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.arg("--data").arg(self.data());
        command
    }

    fn answers(&self) -> bool {
        wait_until(Duration::from_secs(30), || self.try_handfast(&["status"]).status.success())
    }

    fn apply_settings(&self) {
        let path = self.data().join("handfast.toml");
        let mut text = fs::read_to_string(&path).expect("a configuration");
        for (key, value) in &self.settings {
            text = with_setting(&text, key, value);
        }
        fs::write(&path, text).expect("the configuration is written");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.up = None;
        self.disk = None;
        if std::thread::panicking() {
            println!("what the world left behind is in {}", self.folder.display());
        } else {
            // A temporary folder that stays behind harms nobody.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Subscriber {
    /// Its unified profile for Linux.
    pub fn profile(&self) -> PathBuf {
        let named = |path: &PathBuf| path.extension().is_some_and(|e| e == "ovpn");
        let entries = fs::read_dir(&self.folder).expect("profiles were written");
        let mut profiles: Vec<_> =
            entries.filter_map(|e| Some(e.ok()?.path())).filter(named).collect();
        profiles.sort();
        profiles.into_iter().next().expect("a profile")
    }

    /// A copy of its profile with every `remote` replaced by one to `address`.
    pub fn profile_to(&self, address: &str) -> PathBuf {
        let family = if address.contains(':') { "udp6" } else { "udp4" };
        self.profile_with(&format!("remote {address} 1194 {family}"))
    }

    /// The same over TCP.
    pub fn profile_over_tcp(&self, address: &str) -> PathBuf {
        let family = if address.contains(':') { "tcp6-client" } else { "tcp4-client" };
        self.profile_with(&format!("remote {address} 1194 {family}"))
    }

    /// A copy of its profile with these lines in place of `remote` and `proto`.
    pub fn profile_with(&self, lines: &str) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = fs::read_to_string(self.profile()).expect("a profile");
        let kept = text.lines().filter(|l| !l.starts_with("remote ") && !l.starts_with("proto "));
        let mut copy = format!("{lines}\n");
        kept.for_each(|line| copy.extend([line, "\n"]));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("copy-{number}.conf"));
        fs::write(&path, copy).expect("a profile is written");
        // It holds a key, as the profile does.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a profile of its own");
        path
    }
}

fn run(netns: &Netns, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = netns.output(command).expect("it starts");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// Replaces `key = …` in its table, or adds it there.
fn with_setting(text: &str, key: &str, value: &str) -> String {
    let (table, key) = key.rsplit_once('.').expect("table.key");
    let mut out = String::new();
    let mut inside = false;
    let mut done = false;
    for line in text.lines() {
        if line.starts_with('[') {
            if inside && !done {
                out.push_str(&format!("{key} = {value}\n"));
                done = true;
            }
            inside = line == format!("[{table}]");
        }
        if inside && line.split('=').next().map(str::trim) == Some(key) {
            out.push_str(&format!("{key} = {value}\n"));
            done = true;
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    if inside && !done {
        out.push_str(&format!("{key} = {value}\n"));
    }
    out
}

/// Beside the test's own binary's folder, or where `HANDFAST_BIN` says.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("HANDFAST_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test binary");
    let folder = test.parent().and_then(Path::parent).expect("a target folder");
    let path = folder.join("handfast");
    assert!(path.exists(), "build the binary first: cargo build -p handfast");
    path
}

fn fresh_folder(test: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // The control socket's path has to fit into the 108 bytes of a socket address.
    let test: String = test.chars().take(24).collect();
    let name = format!("handfast-{test}-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

const TUN: &str = "/dev/net/tun";

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_replaces_its_line_or_joins_its_table() {
        let text = "[vpn]\nping = 10\n[ca]\nx = 1\n";
        assert_eq!(with_setting(text, "vpn.ping", "1"), "[vpn]\nping = 1\n[ca]\nx = 1\n");
        assert_eq!(with_setting(text, "vpn.new", "2"), "[vpn]\nping = 10\nnew = 2\n[ca]\nx = 1\n");
    }
}
