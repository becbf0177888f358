//! Two Prosodies that talk to each other, one of them in the clear, and who tells them where the other one is.

use std::fs;
use std::path::Path;
use std::process::Command;

use interop::{Program, World};
use sysio::Netns;

/// Where the one in the clear takes servers.
pub(crate) const SERVERS: u16 = 15269;
/// Where it takes clients.
pub(crate) const CLIENTS: u16 = 15222;
/// Where the other one takes clients; servers come to its usual port.
pub(crate) const OTHERS_CLIENTS: u16 = 15223;
/// Where the other one is reached from the first, under TLS.
pub(crate) const TO_OTHER: u16 = 16269;

/// A Prosody with one user, `talker`, whose password is `secret`. Dropping it ends it.
pub(crate) struct Server {
    program: Program,
    _names: Program,
}

/// What one of them has to be.
pub(crate) struct Terms<'a> {
    pub(crate) domain: &'a str,
    pub(crate) clients: u16,
    pub(crate) servers: u16,
    /// Its certificate and key; without them it speaks in the clear.
    pub(crate) tls: Option<(&'a Path, &'a Path)>,
    /// What it is told of names: a dictionary of Python's, of addresses, and of ports with a name.
    pub(crate) names: &'a str,
}

impl Server {
    pub(crate) fn start(world: &World, netns: &Netns, terms: &Terms<'_>) -> Self {
        let folder = world.file(&format!("prosody-{}", terms.domain));
        fs::create_dir_all(folder.join("data")).expect("a folder");
        let names = folder.join("names.py");
        fs::write(&names, NAMES.replace("ZONE", terms.names)).expect("written");
        let mut command = Command::new("python3");
        command.arg(&names);
        let names = Program::start_enclosed(netns, &command, &folder.join("names.log"));
        let in_the_clear = || "s2s_require_encryption = false".to_owned();
        let tls = terms.tls.map_or_else(in_the_clear, |(certificate, key)| {
            let [certificate, key] = [certificate, key].map(|file| file.display().to_string());
            format!(
                "ssl = {{ certificate = \"{certificate}\", key = \"{key}\" }}\ns2s_require_encryption = true"
            )
        });
        let module = if terms.tls.is_some() { "\"tls\", " } else { "" };
        let settings = SETTINGS
            .replace("FOLDER", &folder.display().to_string())
            .replace("CLIENTS", &terms.clients.to_string())
            .replace("SERVERS", &terms.servers.to_string())
            .replace("TLS", &tls)
            .replace("MODULE", module)
            .replace("DOMAIN", terms.domain);
        let file = folder.join("prosody.cfg.lua");
        fs::write(&file, settings).expect("written");
        let mut register = Command::new("prosodyctl");
        register.arg("--config").arg(&file).args(["register", "talker", terms.domain, "secret"]);
        let made = register.output().expect("prosodyctl starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let resolver = folder.join("resolv.conf");
        fs::write(&resolver, "nameserver 127.0.0.1\n").expect("written");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec"]).arg(format!(
            "mount --bind {} /etc/resolv.conf; exec prosody --config {}",
            resolver.display(),
            file.display()
        ));
        let program = Program::start_enclosed(netns, &command, &folder.join("log"));
        Self { program: program.expect("prosody starts"), _names: names.expect("python starts") }
    }

    pub(crate) fn log(&self) -> String {
        self.program.log()
    }
}

/// `talker` of HERE, at FIRST, and the one of THERE, at SECOND, say something to each other.
pub(crate) const SESSION: &str = r#"
import base64, re, socket
class Talker:
    def __init__(self, at, port, domain):
        self.sock, self.domain, self.text = socket.create_connection((at, port), 10), domain, ""
        self.sock.settimeout(15)
        self.begin()
        self.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.b64encode(b"\0talker\0secret").decode() + "</auth>")
        self.read("<success")
        self.begin()
        self.say("<iq id='b' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
        self.read(domain + "/x")
        self.say("<presence/>")
    def begin(self):
        self.say("<?xml version='1.0'?><stream:stream to='" + self.domain + "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
        self.read("</stream:features>|<stream:features/>")
    def say(self, text): self.sock.sendall(text.encode())
    def read(self, until):
        while not re.search(until, self.text):
            more = self.sock.recv(4096)
            if not more: raise SystemExit("it ended after " + self.text)
            self.text += more.decode()
        self.text = ""
    def tell(self, other, mark):
        self.say("<message to='talker@" + other.domain + "/x' type='chat'><body>" + mark + "</body></message>")
        other.read("(?s)talker@" + self.domain + ".*" + mark + "|" + mark + ".*talker@" + self.domain)
here, there = Talker("FIRST", 15222, "mail.test"), Talker("SECOND", 15223, "peer.test")
there.tell(here, "mark-to-us")
here.tell(there, "mark-to-them")
print("all done")
"#;

/// Answers for the names in ZONE.
const NAMES: &str = r#"
import socket, struct
zone = ZONE
def labels(name): return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 53))
while True:
    asked, source = sock.recvfrom(512)
    at, parts = 12, []
    while asked[at]:
        parts.append(asked[at + 1 : at + 1 + asked[at]].decode().lower())
        at += 1 + asked[at]
    end, (kind,) = at + 5, struct.unpack(">H", asked[at + 1 : at + 3])
    known, data = zone.get(".".join(parts)), None
    if kind == 1 and isinstance(known, str): data = socket.inet_aton(known)
    if kind == 33 and isinstance(known, tuple): data = struct.pack(">HHH", 0, 0, known[0]) + labels(known[1])
    answer = b"" if data is None else b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(data)) + data
    sock.sendto(asked[:2] + b"\x81\x80\0\1" + struct.pack(">HHH", bool(answer), 0, 0) + asked[12:end] + answer, source)
"#;

const SETTINGS: &str = r#"
daemonize = false
run_as_root = true
pidfile = "FOLDER/pid"
data_path = "FOLDER/data"
modules_enabled = { MODULE"saslauth", "message", "dialback", "roster", "presence" }
modules_disabled = { "posix", "offline" }
TLS
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
s2s_secure_auth = false
c2s_ports = { CLIENTS }
s2s_ports = { SERVERS }
interfaces = { "0.0.0.0" }
use_ipv6 = false
log = { debug = "*console" }
VirtualHost "DOMAIN"
"#;
