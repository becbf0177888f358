//! A stock server, a client's host and a throw-away internet between them.
//!
//! ```text
//!    server (openvpn, 203.0.113.2) ── router ── client (203.0.113.18)
//!       10.8.0.1, fd00:8::1      tunnel      10.8.0.2, fd00:8::1000
//! ```

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, wait_until};
use sysio::NetnsError;
use sysio::lab::{Host, Lab, LabError};

use super::{Authority, Folder, Issued, Running, profile, static_key};

/// A server, a client's host, a router between them.
pub struct World {
    pub authority: Authority,
    pub folder: Folder,
    pub server: Host,
    pub host: Host,
    pub lab: Lab,
}

impl World {
    pub fn new(test: &str) -> Option<Self> {
        if Command::new("openvpn").arg("--version").output().is_err() {
            interop::skip(test, "openvpn is not installed");
            return None;
        }
        let mut lab = match Lab::new() {
            Ok(lab) => lab,
            Err(LabError::Netns(NetnsError::Denied(_))) => {
                interop::skip(test, "network namespaces need root");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let (server, host) = (lab.host(2).unwrap(), lab.host(2).unwrap());
        let folder = Folder::new(test);
        Some(Self { authority: Authority::new(), folder, server, host, lab })
    }

    pub fn serve(&self, identity: &Issued, more: &str) -> Program {
        self.serve_text(identity, &format!("{SERVER}{more}"))
    }

    fn serve_text(&self, identity: &Issued, text: &str) -> Program {
        let folder = &self.folder;
        folder.write("ca.pem", &self.authority.pem());
        folder.write("server.pem", &identity.cert);
        folder.write("server.key", &identity.key);
        folder.write("ta.key", &static_key());
        let config = folder.write("server.conf", text);
        let mut command = Command::new("openvpn");
        command.current_dir(folder.path()).arg("--config").arg(config);
        let log = folder.path().join("server.log");
        let mut program = Program::start(&self.server.netns, command, &log).unwrap();
        let up = program.says("Initialization Sequence Completed", SOON);
        assert!(up, "{}", program.log());
        program
    }

    /// The same without IPv6 inside.
    pub fn serve_v4(&self, identity: &Issued, more: &str) -> Program {
        let text = SERVER.replace("server-ipv6 fd00:8::/64\n", "");
        self.serve_text(identity, &format!("{text}{more}"))
    }

    pub fn connect(&self, remote: &str) -> Running {
        self.connect_with(remote, "")
    }

    pub fn connect_with(&self, remote: &str, more: &str) -> Running {
        let text = profile(&[remote], &self.authority.pem(), &self.authority.device());
        Running::start(&self.host, self.folder.path(), &format!("{more}{text}"))
    }

    /// The client as a process of its own.
    pub fn run_program(&self, log: &str) -> Program {
        // A test that was started by nohup would have it ignore the hangup.
        self.run_program_by(&["env", "--default-signal=HUP"], log)
    }

    /// The same, started by another program.
    pub fn run_program_by(&self, starter: &[&str], log: &str) -> Program {
        let remote = ["203.0.113.2 1194"];
        let text = profile(&remote, &self.authority.pem(), &self.authority.device());
        let file = self.folder.write("program.ovpn", &text);
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/connect");
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(program).arg(file).arg(self.folder.path().join("state"));
        Program::start(&self.host.netns, command, &self.folder.path().join(log)).unwrap()
    }

    pub fn pings(&self, target: &str) -> bool {
        let printed = self.says("ping", &["-c", "5", "-i", "0.2", "-w", "10", "-q", target]);
        println!("{printed}");
        printed.contains(" 0% packet loss")
    }

    /// How long it takes from now until a ping is answered.
    pub fn answered_after(&self, target: &str, limit: Duration) -> Duration {
        let begun = Instant::now();
        let one = ["-c", "1", "-W", "0.2", "-q", target];
        let answered = wait_until(limit, || self.says("ping", &one).contains(" 0% packet loss"));
        assert!(answered, "no answer within {limit:?}");
        begun.elapsed()
    }

    pub fn routes(&self) -> String {
        self.says("ip", &["-4", "route"]) + &self.says("ip", &["-6", "route"])
    }

    pub fn says(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(Path::new("/"));
        let output = self.host.netns.output(command).unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

pub const SOON: Duration = Duration::from_secs(15);
const SERVER: &str = "\
dev tun
proto udp6
multihome
port 1194
topology subnet
server 10.8.0.0 255.255.255.0
server-ipv6 fd00:8::/64
ca ca.pem
cert server.pem
key server.key
dh none
tls-auth ta.key 0
auth SHA256
data-ciphers AES-256-GCM
keepalive 1 10
verb 4
suppress-timestamps
";
