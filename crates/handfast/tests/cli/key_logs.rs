//! Key logs: none is written wherever `SSLKEYLOGFILE` says so, and who could write one is known by name.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::Authority;

use crate::Cli;
use crate::explain::captures;
use crate::logging::Gateway;
use crate::running::Running;
use crate::tls::Service;

/// Where rustls is told to say its secrets, and to whom: to a story's, in memory, and to the file that `--keylog` names.
const TOLD_TO: [&str; 6] = [
    "client/src/tunnel_config.rs",
    "front/src/site.rs",
    "gateway/src/explained/watcher.rs",
    "handfast/src/run/explain/secrets.rs",
    "handfast/src/run/explain/tls.rs",
    "tunnel/src/config.rs",
];

#[test]
fn no_command_writes_a_key_log_and_those_that_speak_tls_say_so() {
    let name = "no_command_writes_a_key_log_and_those_that_speak_tls_say_so";
    let cli = Cli::with_data();
    let _running = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let gateway = Gateway::open(&Authority::new("a CA"));
    fs::write(cli.path("alice.ovpn"), gateway.profile()).unwrap();
    fs::write(cli.path("nobody.ovpn"), nobodys(&gateway.profile())).unwrap();
    let Some(service) = Service::begin(&cli, "-rev") else {
        return println!("SKIP {name}: no openssl");
    };
    let at = format!("localhost:{}", service.address.port());
    let capture = captures("tls1_3-p256.pcap").display().to_string();
    for (speaks, words) in [
        (true, format!("tls test {at}")),
        (true, format!("explain tls {at}")),
        (true, "explain vpn alice.ovpn".to_owned()),
        (true, format!("ocsp ask {at}")),
        (true, format!("tls connect {at} --listen 127.0.0.1:0")),
        (true, "connect nobody.ovpn --state state".to_owned()),
        (false, format!("explain capture {capture}")),
        (false, "user add alice".to_owned()),
        (false, "profile alice --out files".to_owned()),
        (false, "device revoke alice".to_owned()),
        (false, "crl show".to_owned()),
        (false, "ca show".to_owned()),
        (false, "status".to_owned()),
        (false, "sessions".to_owned()),
        (false, "events".to_owned()),
        (false, "check".to_owned()),
        (false, "config show".to_owned()),
        (false, "tls list".to_owned()),
        (false, "backup copy".to_owned()),
    ] {
        let said = briefly(cli.command(&words).env("SSLKEYLOGFILE", cli.path("key-log")));
        assert!(!cli.path("key-log").exists(), "handfast {words} wrote one");
        let times = said.matches("SSLKEYLOGFILE has no effect here").count();
        assert_eq!(times, usize::from(speaks), "handfast {words}: {said}");
        assert!(speaks || !said.contains("SSLKEYLOGFILE"), "handfast {words}: {said}");
    }
    let quiet = briefly(cli.command(&format!("tls test {at}")).env("SSLKEYLOGFILE", ""));
    assert!(!quiet.contains("SSLKEYLOGFILE"), "{quiet}");
    assert!(!gateway.secrets().0.is_empty(), "a handshake of the VPN was made");
}

#[test]
fn who_is_told_secrets_of_tls_is_known_by_name() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut told_to = Vec::new();
    for file in sources(&crates) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("KeyLogFile"), "{}: it writes a key log", file.display());
        if text.contains("key_log = ") || text.contains("rustls::KeyLog for") {
            told_to.push(file.strip_prefix(&crates).unwrap().display().to_string());
        }
    }
    told_to.sort();
    assert_eq!(told_to, TOLD_TO);
}

/// All that it prints on stderr, for a few seconds at most.
fn briefly(command: &mut Command) -> String {
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..100 {
        if running.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = running.kill();
    String::from_utf8(running.wait_with_output().unwrap().stderr).unwrap()
}

/// A profile whose server says nothing.
fn nobodys(profile: &str) -> String {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let remote = profile.lines().find(|line| line.starts_with("remote ")).unwrap();
    profile.replace(remote, &format!("remote 127.0.0.1 {}", silent.port()))
}

/// The product's own, below each crate's `src`.
fn sources(crates: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src"));
    folders.flat_map(|folder| below(&folder)).collect()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let each = |path: PathBuf| match path.is_dir() {
        true => below(&path),
        false => vec![path],
    };
    let all = entries.flat_map(each);
    all.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}
