//! Profiles on disk, and read by the stock `openvpn` program.
//!
//! No network is needed: stock 2.6 parses the options, loads CA, certificate, key and tls-auth key,
//! then fails to reach a closed port on loopback and is told to give up.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use admin::names::DeviceName;
use admin::response::{
    Certificate, CertificateState, KeyMaterial, ProfileCommon, ProfileMaterial, Remote,
};
use admin::secret::SecretText;
use clock::Timestamp;
use gateway::config::Transport;
use gateway::profile::write::{SkipReason, Wanted, WriteError, prepare};
use gateway::profile::{Form, System};

#[test]
fn stock_openvpn_reads_every_profile() {
    if Command::new("openvpn").arg("--version").output().is_err() {
        panic!("openvpn is not installed: apt-get install openvpn");
    }
    let (udp, tcp) = (remote(Transport::Udp), remote(Transport::Tcp));
    for remotes in [vec![udp.clone()], vec![udp, tcp.clone()], vec![tcp]] {
        let dir = Scratch::new();
        let mut alice = device("alice", "phone");
        alice.common.remotes = remotes;
        write(&dir, &alice, Form::Unified).unwrap();
        write(&dir, &alice, Form::Split).unwrap();
        std::thread::scope(|scope| {
            for file in profiles_in(&dir) {
                let dir = &dir.0;
                scope.spawn(move || assert_read_by_stock(dir, &file));
            }
        });
    }
}

#[test]
fn one_run_gives_every_system_the_same_key_and_nobody_else_may_read_it() {
    let dir = Scratch::new();
    let alice = device("alice", "phone");
    let written = write(&dir, &alice, Form::Unified).unwrap();
    assert_eq!(written.files.len(), 5);
    let KeyMaterial::Made { pem } = &alice.key else { unreachable!() };
    for file in &written.files {
        assert!(fs::read_to_string(file).unwrap().contains(pem.expose().trim()));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(names_in(&dir).len(), 5, "no temporary file stays");
}

#[test]
fn split_profiles_are_byte_identical_for_every_user_of_a_system() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let alice = device("alice", "phone");
    let bob = ProfileMaterial { common: alice.common.clone(), ..device("bob", "laptop") };
    let written = write(&one, &alice, Form::Split).unwrap();
    write(&two, &bob, Form::Split).unwrap();
    assert_eq!(
        names_in(&one),
        [
            "handfast-linux.ovpn",
            "handfast-macos.ovpn",
            "handfast-windows.ovpn",
            "vpn.crt",
            "vpn.key"
        ]
    );
    for name in ["handfast-linux.ovpn", "handfast-macos.ovpn", "handfast-windows.ovpn"] {
        assert_eq!(fs::read(one.0.join(name)).unwrap(), fs::read(two.0.join(name)).unwrap());
    }
    assert!(written.skipped.iter().all(|s| s.why == SkipReason::NeedsOneFile));
}

#[test]
fn a_key_of_another_device_is_never_overwritten() {
    let dir = Scratch::new();
    let (alice, bob) = (device("alice", "phone"), device("bob", "laptop"));
    write(&dir, &alice, Form::Split).unwrap();
    let before = fs::read(dir.0.join("vpn.key")).unwrap();
    let refused = write(&dir, &bob, Form::Split).unwrap_err();
    assert!(matches!(refused, WriteError::OtherDevice { .. }), "{refused}");
    fs::remove_file(dir.0.join("vpn.crt")).unwrap();
    let refused = write(&dir, &bob, Form::Split).unwrap_err();
    assert!(matches!(refused, WriteError::OtherDevice { .. }), "a lone key: {refused}");
    assert_eq!(fs::read(dir.0.join("vpn.key")).unwrap(), before);
}

#[test]
fn a_renewal_replaces_the_devices_own_files() {
    let dir = Scratch::new();
    let old = device("alice", "phone");
    let new = ProfileMaterial { common: old.common.clone(), ..device("alice", "phone") };
    for form in [Form::Unified, Form::Split] {
        write(&dir, &old, form).unwrap();
        let wanted = wanted(&new, form);
        let prepared = prepare(&dir.0, wanted, vec![old.certificate.clone()]).unwrap();
        prepared.write(&new).unwrap();
    }
    let KeyMaterial::Made { pem } = &new.key else { unreachable!() };
    assert_eq!(fs::read_to_string(dir.0.join("vpn.key")).unwrap(), pem.expose());
}

#[test]
fn where_the_key_is_gone_only_the_common_files_are_written() {
    let dir = Scratch::new();
    let alice = ProfileMaterial { key: KeyMaterial::Gone, ..device("alice", "phone") };
    let written = write(&dir, &alice, Form::Unified).unwrap();
    assert_eq!(
        names_in(&dir),
        ["handfast-linux.ovpn", "handfast-macos.ovpn", "handfast-windows.ovpn"]
    );
    assert_eq!(written.skipped.len(), 2);
    assert!(written.skipped.iter().all(|s| s.why == SkipReason::NeedsTheKey));
}

#[test]
fn a_device_that_made_its_own_key_gets_the_certificate_beside_it() {
    let dir = Scratch::new();
    fs::write(dir.0.join("vpn.key"), "its own").unwrap();
    let alice = ProfileMaterial { key: KeyMaterial::OnDevice, ..device("alice", "phone") };
    let wanted = Wanted { makes_key: false, ..wanted(&alice, Form::Split) };
    prepare(&dir.0, wanted, vec![alice.certificate.clone()]).unwrap().write(&alice).unwrap();
    assert_eq!(fs::read_to_string(dir.0.join("vpn.key")).unwrap(), "its own");
    assert!(dir.0.join("vpn.crt").exists());
}

fn write(
    dir: &Scratch,
    material: &ProfileMaterial,
    form: Form,
) -> Result<gateway::profile::write::Written, WriteError> {
    let known = vec![material.certificate.clone()];
    prepare(&dir.0, wanted(material, form), known)?.write(material)
}

fn wanted(material: &ProfileMaterial, form: Form) -> Wanted {
    Wanted { name: material.name.clone(), systems: System::ALL.to_vec(), form, makes_key: true }
}

fn assert_read_by_stock(dir: &Path, file: &Path) {
    let output = Command::new("timeout")
        .args(["20", "openvpn", "--cd"])
        .arg(dir)
        .arg("--config")
        .arg(file)
        .args(["--dev", "null", "--connect-retry-max", "1", "--connect-timeout", "1"])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = file.display();
    let tried = ["link remote: [AF_INET", "Attempting to establish TCP connection"];
    assert!(
        tried.iter().any(|words| log.contains(words)),
        "{at} was not parsed to the end:\n{log}"
    );
    assert!(!log.contains("Options error"), "{at}:\n{log}");
    let complaint =
        log.lines().find(|line| line.contains("WARNING") || line.contains("DEPRECATED"));
    assert_eq!(complaint, None, "{at} makes stock openvpn complain");
}

fn profiles_in(dir: &Scratch) -> Vec<PathBuf> {
    let files: Vec<PathBuf> =
        names_in(dir).iter().filter(|n| n.ends_with(".ovpn")).map(|n| dir.0.join(n)).collect();
    assert_eq!(files.len(), 8);
    files
}

fn names_in(dir: &Scratch) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&dir.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn device(user: &str, device: &str) -> ProfileMaterial {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec![]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    ProfileMaterial {
        name: DeviceName { user: user.parse().unwrap(), device: device.parse().unwrap() },
        common: common(&certificate.pem()),
        certificate: Certificate {
            serial: "01".into(),
            subject: format!("CN={user}"),
            key_type: "p256".into(),
            not_before: Timestamp::from_unix_secs(0),
            not_after: Timestamp::from_unix_secs(1),
            state: CertificateState::Valid,
            fingerprint: String::new(),
            pem: certificate.pem(),
        },
        key: KeyMaterial::Made { pem: SecretText::new(key.serialize_pem()) },
        supersedes: None,
    }
}

fn common(ca_pem: &str) -> ProfileCommon {
    let key: String = (0..16).map(|i| format!("{:032x}\n", 7919 * (i + 1))).collect();
    let head = "-----BEGIN OpenVPN Static key V1-----";
    let foot = "-----END OpenVPN Static key V1-----";
    ProfileCommon {
        ca_pem: ca_pem.to_owned(),
        tls_auth_key: SecretText::new(format!("{head}\n{key}{foot}\n")),
        auth: "SHA256".into(),
        server_name: "gateway.handfast.internal".into(),
        remotes: vec![remote(Transport::Udp)],
        ciphers: ["AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"].map(Into::into).into(),
    }
}

fn remote(transport: Transport) -> Remote {
    Remote { host: "127.0.0.1".into(), port: 9, transport }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-profiles-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
