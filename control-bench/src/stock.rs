//! openvpn as a contestant: one certificate for all clients (`duplicate-cn`), tls-auth, push.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use interop::Program;

use crate::keys::{Kind, openssl};
use crate::machine::Machine;

/// A server's folder and its clients' profile.
pub(crate) struct Stock {
    folder: PathBuf,
    pub(crate) profile: PathBuf,
}

impl Stock {
    pub(crate) fn new(machine: &Machine, kind: Kind) -> Result<Self, Box<dyn Error>> {
        let folder = machine.folder.join(format!("stock-{}", kind.word()));
        fs::create_dir_all(&folder)?;
        let mut ca = vec!["req", "-x509", "-nodes", "-days", "3", "-subj", "/CN=ca"];
        ca.extend(kind.openssl());
        ca.extend(["-keyout", "ca.key", "-out", "ca.crt"]);
        openssl(&folder, &ca)?;
        for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
            let (key, csr, crt, ext) = (
                format!("{name}.key"),
                format!("{name}.csr"),
                format!("{name}.crt"),
                format!("{name}.ext"),
            );
            let subject = format!("/CN={name}");
            let mut request = vec!["req", "-new", "-nodes", "-subj", &subject];
            request.extend(kind.openssl());
            request.extend(["-keyout", &key, "-out", &csr]);
            openssl(&folder, &request)?;
            let text = format!("keyUsage=digitalSignature\nextendedKeyUsage={usage}\n");
            fs::write(folder.join(&ext), text)?;
            let sign = ["x509", "-req", "-in", &csr, "-CA", "ca.crt", "-CAkey", "ca.key"];
            let rest = ["-CAcreateserial", "-days", "3", "-extfile", &ext, "-out", &crt];
            openssl(&folder, &[&sign[..], &rest[..]].concat())?;
        }
        Command::new("openvpn")
            .args(["--genkey", "tls-auth", "ta.key"])
            .current_dir(&folder)
            .output()?;
        fs::write(folder.join("server.conf"), SERVER)?;
        let profile = folder.join("client.ovpn");
        fs::write(&profile, format!("remote {} 1195 udp4\n{CLIENT}", machine.server.v4[0]))?;
        Ok(Self { folder, profile })
    }

    pub(crate) fn up(&self, machine: &Machine) -> Result<Program, Box<dyn Error>> {
        let mut command = Command::new("openvpn");
        command.current_dir(&self.folder).args(["--config", "server.conf"]);
        let log = machine.folder.join("openvpn.log");
        let mut program = Program::start(&machine.server.netns, command, &log)?;
        if program.says("Initialization Sequence Completed", Duration::from_secs(20)) {
            return Ok(program);
        }
        Err(format!("openvpn did not start:\n{}", program.log()).into())
    }
}

const SERVER: &str = "\
server 10.8.0.0 255.255.0.0
topology subnet
dev tun
proto udp4
port 1195
ca ca.crt
cert server.crt
key server.key
dh none
tls-auth ta.key 0
auth SHA256
data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305
duplicate-cn
max-clients 20000
keepalive 10 60
push \"dhcp-option DNS 10.8.0.1\"
disable-dco
connect-freq-initial 1000000 10
verb 3
suppress-timestamps
";

const CLIENT: &str = "\
client
dev tun
ca ca.crt
cert client.crt
key client.key
tls-auth ta.key 1
auth SHA256
remote-cert-tls server
data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305
";
