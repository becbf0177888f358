//! `up` as the unit runs it: another user, two capabilities, no way to more, and nothing that may be
//! written but the data folder.
//!
//! ```text
//!   gateway 203.0.113.2 ── router ── subscriber 203.0.113.18
//! ```
//!
//! What only systemd does (the filter of system calls, the device list) is not shown here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sysio::NetnsError;
use sysio::lab::{Host, Lab, LabError};

use crate::Cli;
use crate::service::hand_over;

#[test]
fn a_stock_client_is_served_under_the_units_limits_and_everything_is_undone() {
    let Some(mut machine) = Machine::new("a_stock_client_is_served_under_the_units_limits") else {
        return;
    };
    let service = machine.start();
    assert_eq!(machine.forwarding(), ["1", "1"]);
    assert!(machine.has("nft", "list table inet handfast"));
    let listen = &machine.json("status")["listen"];
    assert_eq!(listen[0], "udp:[::]:443", "a port below 1024");
    machine.connect_a_stock_client();
    machine.stop(service);
    assert_eq!(machine.forwarding(), ["0", "0"]);
    assert!(!machine.has("nft", "list table inet handfast"));
    assert!(!machine.has("ip", "link show handfast"));
}

#[test]
fn a_killed_service_is_cleaned_up_after_by_its_next_start_and_stop() {
    let Some(machine) = Machine::new("a_killed_service_is_cleaned_up_after") else { return };
    drop(machine.start());
    assert_eq!(machine.forwarding(), ["1", "1"]);
    let again = machine.start();
    machine.stop(again);
    assert_eq!(machine.forwarding(), ["0", "0"]);
    assert!(!machine.has("nft", "list table inet handfast"));
}

#[test]
fn a_command_of_root_while_the_service_is_stopped_leaves_nothing_it_can_not_open() {
    let Some(machine) = Machine::new("a_command_of_root_while_the_service_is_stopped") else {
        return;
    };
    machine.cli.ok("user add bob");
    machine.cli.ok("profile bob --os linux --form unified --out profiles");
    machine.cli.ok("device revoke bob");
    let service = machine.start();
    assert!(machine.cli.ok("user list").contains("bob"));
    machine.stop(service);
}

/// A gateway host with a data folder that belongs to an ordinary user.
struct Machine {
    cli: Cli,
    host: Host,
    lab: Lab,
    notices: UnixDatagram,
}

impl Machine {
    /// `None`, said by name, where this machine can't do it.
    fn new(test: &str) -> Option<Self> {
        let mut lab = match Lab::new() {
            Ok(lab) => lab,
            Err(LabError::Netns(NetnsError::Denied(_))) => {
                println!("SKIP {test}: network namespaces need root");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        for program in ["nft", "setpriv", "openvpn"] {
            if Command::new(program).arg("--version").output().is_err() {
                println!("SKIP {test}: {program} is not installed");
                return None;
            }
        }
        let host = lab.host(1).unwrap();
        let cli = Cli::with_data();
        settings(&cli, &host);
        cli.ok("user add alice");
        cli.ok("profile alice --out files --os linux");
        fs::copy(env!("CARGO_BIN_EXE_handfast"), cli.path("handfast")).unwrap();
        hand_over(&cli.path(""));
        let socket = cli.path("notify");
        let notices = UnixDatagram::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        notices.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Some(Self { cli, host, lab, notices })
    }

    /// Starts the service and waits until it says that it is ready.
    fn start(&self) -> Service {
        let unit = self.cli.ok("service install --dry-run --data /var/lib/handfast");
        let granted = unit.lines().find_map(|line| line.strip_prefix("AmbientCapabilities="));
        let granted = granted.unwrap().to_lowercase().replace("cap_", "+").replace(' ', ",");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", LIMITED]).arg(self.cli.path("handfast"));
        command.arg(format!("-all,{granted}")).current_dir(self.cli.path(""));
        command.env("NOTIFY_SOCKET", self.cli.path("notify")).env_remove("HANDFAST_DATA");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.cli.path("log")).unwrap());
        let service = Service(self.host.netns.spawn(command).unwrap());
        assert_eq!(self.notice(), "READY=1", "{}", self.log());
        service
    }

    /// Stops it as systemd would.
    fn stop(&self, mut service: Service) {
        let pid = rustix::process::Pid::from_child(&service.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.notice(), "STOPPING=1", "{}", self.log());
        assert!(service.0.wait().unwrap().success(), "{}", self.log());
    }

    fn connect_a_stock_client(&mut self) {
        let subscriber = self.lab.host(1).unwrap();
        let log = self.cli.path("openvpn.log");
        let mut openvpn = Command::new("openvpn");
        openvpn.arg("--config").arg(self.cli.path("files/alice-default-linux.ovpn"));
        openvpn.arg("--log").arg(&log).stdin(Stdio::null()).stdout(Stdio::null());
        let mut client = subscriber.netns.spawn(openvpn).unwrap();
        let text = || fs::read_to_string(&log).unwrap_or_default();
        wait_until(|| text().contains("Initialization Sequence Completed"), &text);
        let mut ping = Command::new("ping");
        ping.args(["-c", "3", "-i", "0.2", "-w", "5", "10.71.0.1"]);
        let ping = subscriber.netns.output(ping).unwrap();
        assert!(ping.status.success(), "{ping:?}");
        assert_eq!(self.json("sessions")[0]["device"]["user"], "alice");
        client.kill().unwrap();
        client.wait().unwrap();
    }

    fn notice(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.notices.recv(&mut buffer).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    }

    fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.cli.ok(&format!("{words} --json"))).unwrap()
    }

    fn forwarding(&self) -> [String; 2] {
        let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
        let paths = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
        self.host.netns.run(|| paths.map(read)).unwrap()
    }

    /// Whether a command on the gateway's host succeeds.
    fn has(&self, program: &str, words: &str) -> bool {
        let mut command = Command::new(program);
        command.args(words.split_whitespace());
        self.host.netns.output(command).unwrap().status.success()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.cli.path("log")).unwrap_or_default()
    }
}

/// A running gateway, killed when dropped: the change of user takes away the kernel's promise to end
/// it with its parent.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// By hand what the unit says: a file system that is read-only but for the data folder, a device
/// with the mode that udev gives it, another user, the capabilities and no way to get more. Root
/// has run a gateway here before, so its record of settings is there and not to be written.
const LIMITED: &str = "\
rm -f tun
mknod -m 666 tun c 10 200
mount --bind tun /dev/net/tun
mount --bind data data
mount -o remount,bind,ro /
mount -t tmpfs none /run
mkdir -p /run/handfast/sysctl
mount -o remount,ro /run
umask 0077
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
    --bounding-set $1 --inh-caps $1 --ambient-caps $1 \
    $0 up --data data
";

/// A port that only the capability opens, and the name that the subscriber knows.
fn settings(cli: &Cli, host: &Host) {
    let file = cli.path("data/handfast.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("udp:[::]:1194", "udp:[::]:443");
    fs::write(&file, text.replace("vpn.example.net\"]", &format!("{}\"]", host.v4[0]))).unwrap();
}

fn wait_until(done: impl Fn() -> bool, log: &dyn Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
