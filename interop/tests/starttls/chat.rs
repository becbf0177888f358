//! Prosody and InspIRCd, each from a folder of its own.

use std::fs;
use std::process::Command;

use interop::{Program, World};

use super::house::{Certified, open_up};

/// Where Prosody is in the clear, with STARTTLS of its own.
pub(crate) const XMPP: u16 = 15222;
/// Where InspIRCd is.
pub(crate) const IRC: u16 = 16667;

/// Prosody, where `alice` is at both names with the password `secret`. Dropping it ends it.
pub(crate) struct Prosody(Program);

impl Prosody {
    pub(crate) fn start(world: &World, certified: &Certified) -> Self {
        let folder = world.file("prosody");
        fs::create_dir_all(folder.join("data")).expect("a folder");
        fs::create_dir_all(folder.join("certs")).expect("a folder");
        let settings = PROSODY
            .replace("FOLDER", &folder.display().to_string())
            .replace("CERT", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        let file = folder.join("prosody.cfg.lua");
        fs::write(&file, settings).expect("written");
        for domain in ["mail.test", "inner.test"] {
            let mut register = Command::new("prosodyctl");
            register.arg("--config").arg(&file).args(["register", "alice", domain, "secret"]);
            let made = register.output().expect("prosodyctl starts");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        }
        let mut command = Command::new("prosody");
        command.arg("--config").arg(&file);
        let program = Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"));
        Self(program.expect("prosody starts"))
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// InspIRCd. Dropping it ends it.
pub(crate) struct Inspircd(Program);

impl Inspircd {
    pub(crate) fn start(world: &World, certified: &Certified) -> Self {
        let folder = world.file("inspircd");
        fs::create_dir_all(&folder).expect("a folder");
        open_up(&folder);
        let settings = INSPIRCD
            .replace("FOLDER", &folder.display().to_string())
            .replace("CERT", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        let file = folder.join("inspircd.conf");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("inspircd");
        command.arg(format!("--config={}", file.display())).args(["--nofork", "--runasroot"]);
        let program = Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"));
        Self(program.expect("inspircd starts"))
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// Says hello to itself at DOMAIN over a stream to HOST:PORT: in the clear, or with TLS where CAFILE is a file.
pub(crate) const XMPP_SESSION: &str = r#"
import base64, re, socket, ssl
sock = socket.create_connection(("HOST", PORT), 10)
def read(until):
    text = ""
    while not re.search(until, text):
        more = sock.recv(4096)
        if not more: raise SystemExit("it ended after " + text)
        text += more.decode()
    return text
def say(text): sock.sendall(text.encode())
def begin():
    say("<?xml version='1.0'?><stream:stream to='DOMAIN' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
    return read("</stream:features>|<stream:features/>")
features = begin()
if "CAFILE" != "":
    assert "<starttls" in features, features
    say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    read("<proceed")
    sock = ssl.create_default_context(cafile="CAFILE").wrap_socket(sock, server_hostname="DOMAIN")
    features = begin()
    assert "<starttls" not in features and "-PLUS<" not in features, features
say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.b64encode(b"\0alice\0secret").decode() + "</auth>")
read("<success")
begin()
say("<iq id='b' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
read("DOMAIN/x")
say("<presence/><message to='alice@DOMAIN/x' type='chat'><body>mark-xmpp</body></message>")
read("mark-xmpp")
print("all done")
"#;

/// Registers, says hello to a channel, and asks who is there.
pub(crate) const IRC_SESSION: &str = r#"
import socket, ssl
sock = socket.create_connection(("HOST", PORT), 10)
def lines(until):
    text = ""
    while until not in text:
        more = sock.recv(4096)
        if not more: raise SystemExit("it ended after " + text)
        for line in more.decode().splitlines():
            if line.startswith("PING"): sock.sendall(line.replace("PING", "PONG", 1).encode() + b"\r\n")
        text += more.decode()
    return text
def say(text): sock.sendall(text.encode() + b"\r\n")
if "CAFILE" != "":
    say("STARTTLS")
    lines(" 670 ")
    sock = ssl.create_default_context(cafile="CAFILE").wrap_socket(sock, server_hostname="mail.test")
    say("CAP LS")
    offered = lines(" LS ")
    assert " tls" not in offered and ":tls" not in offered, offered
say("NICK alice"); say("USER alice 0 * :alice"); say("CAP END")
lines(" 001 ")
say("JOIN #mark"); lines(" 366 ")
say("TOPIC #mark :mark-irc"); lines("mark-irc")
print("all done")
"#;

const PROSODY: &str = r#"
daemonize = false
run_as_root = true
pidfile = "FOLDER/pid"
data_path = "FOLDER/data"
modules_enabled = { "saslauth", "tls", "disco", "roster", "message" }
modules_disabled = { "s2s", "posix", "offline" }
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
c2s_ports = { 15222 }
interfaces = { "0.0.0.0" }
log = { info = "*console" }
VirtualHost "mail.test"
VirtualHost "inner.test"
ssl = { certificate = "CERT", key = "KEY" }
"#;

const INSPIRCD: &str = r#"
<server name="irc.test" description="x" network="Test">
<admin name="x" nick="x" email="x@x.test">
<bind address="0.0.0.0" port="16667" type="clients">
<connect allow="*" timeout="30" resolvehostnames="no">
<module name="ssl_gnutls">
<module name="cap">
<module name="starttls">
<sslprofile name="Clients" provider="gnutls" certfile="CERT" keyfile="KEY">
<starttls provider="Clients">
<pid file="FOLDER/pid">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="FOLDER/irc.log">
"#;
