//! The CA's key is in the signer's memory and never in the gateway's; and the signer may die.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use interop::{Own, World, wait_until};
use memchr::memmem::Finder;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

#[test]
fn the_ca_key_is_in_the_signers_memory_and_never_in_the_gateways() {
    let name = "the_ca_key_is_in_the_signers_memory_and_never_in_the_gateways";
    let Some(mut world) = World::start(name, &[]) else { return };
    for key_type in ["rsa", "p256"] {
        if key_type == "p256" {
            anew_with(
                &mut world,
                "[public]\nnames = [\"203.0.113.2\"]\n[ca]\nkey_type = \"p256\"\n",
            );
        }
        // The gateway that is looked into is the one that had the key made.
        world.subscriber(&format!("alice{key_type}"), "unified");
        world.handfast(&["device", "revoke", &format!("alice{key_type}/default")]);
        let parts = Parts::of(&key_file(&world));
        let gateway = world.up.as_ref().expect("it runs").id();
        let signer = child_of(gateway).expect("a signer");
        assert!(!world.log().contains("others wait while"), "a thread makes it: {}", world.log());
        let (found, octets) = parts.found_in(gateway);
        assert_eq!(found, [] as [&str; 0], "{key_type}");
        println!("FIGURE {key_type}: {octets} octets of the gateway's memory were searched");
        let (found, _) = parts.found_in(signer);
        let whole = found.contains(&"PKCS#8");
        let secret = found.iter().any(|part| part.starts_with(parts.secret));
        assert!(whole && secret, "{key_type}: {found:?}");
    }
}

#[test]
fn a_signer_that_is_killed_is_started_again_by_the_next_signature_and_no_session_minds() {
    let name =
        "a_signer_that_is_killed_is_started_again_by_the_next_signature_and_no_session_minds";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.subscriber("bob", "unified");
    let mut own = Own::start(&alice.host, &alice.profile());
    own.connected();
    let gateway = world.up.as_ref().expect("it runs").id();
    let first = child_of(gateway).expect("a signer");
    kill(first);
    world.handfast(&["device", "revoke", "bob/default"]);
    assert!(world.handfast(&["crl", "show"]).contains("bob/default"));
    let second = child_of(gateway).expect("another signer");
    assert_ne!(first, second);
    assert_eq!(world.sessions().len(), 1);
    assert_eq!(own.0.log().matches("connected to").count(), 1, "{}", own.0.log());

    // It ends with its gateway, whatever ends that.
    kill(gateway);
    let gone = || !PathBuf::from(format!("/proc/{second}/exe")).exists();
    assert!(wait_until(Duration::from_secs(5), gone));
    world.up = None;
    world.bring_up();
    world.handfast(&["device", "revoke", "alice/default"]);
    assert!(world.handfast(&["crl", "show"]).contains("alice/default"));
}

#[test]
fn the_signer_has_given_everything_up_and_check_says_what_it_could_not() {
    let name = "the_signer_has_given_everything_up_and_check_says_what_it_could_not";
    let Some(mut world) = World::start(name, &[]) else { return };
    let signer = child_of(world.up.as_ref().expect("it runs").id()).expect("a signer");
    let check = || String::from_utf8_lossy(&world.try_handfast(&["check"]).stdout).into_owned();
    assert_eq!(status(signer, "Threads:"), "1");
    assert_eq!(status(signer, "NoNewPrivs:"), "1");
    assert_eq!(status(signer, "Seccomp:"), "2", "{}", check());
    let limits = fs::read_to_string(format!("/proc/{signer}/limits")).expect("there");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"));
    let line = |check: &str| {
        check.lines().find(|line| line.contains("CA key")).expect("a finding").to_owned()
    };
    println!("FIGURE {}", line(&check()));
    assert!(line(&check()).starts_with("good"), "{}", check());

    world.bring_down();
    world.without = "landlock,seccomp";
    world.bring_up();
    let said = String::from_utf8_lossy(&world.try_handfast(&["check"]).stdout).into_owned();
    assert!(line(&said).starts_with("warning"), "{said}");
    for lack in ["Landlock", "network", "system call"] {
        assert!(said.contains(lack), "{lack}: {said}");
    }
    world.handfast(&["user", "add", "alice"]);
    let signer = child_of(world.up.as_ref().expect("it runs").id()).expect("a signer");
    assert_eq!(status(signer, "Seccomp:"), "0");
}

/// A new data folder with these settings.
fn anew_with(world: &mut World, settings: &str) {
    world.bring_down();
    fs::remove_dir_all(world.data()).expect("removed");
    fs::create_dir(world.data()).expect("made");
    fs::write(world.data().join("handfast.toml"), settings).expect("written");
    world.bring_up();
}

fn key_file(world: &World) -> PathBuf {
    let files = fs::read_dir(world.data().join("ca")).expect("a folder").flatten();
    let mut files = files.map(|entry| entry.path());
    files.find(|path| path.extension() == Some("pem".as_ref())).expect("a key")
}

fn child_of(parent: u32) -> Option<u32> {
    let ids = fs::read_dir("/proc").expect("a list").flatten();
    let mut ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.split_whitespace().eq(["PPid:", &parent.to_string()]))
    })
}

fn status(process: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("there");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
    line.trim().to_owned()
}

fn kill(process: u32) {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("killed");
}

/// What of a key would be the key: each number as it is written and the other way round.
struct Parts {
    parts: Vec<(&'static str, Vec<u8>)>,
    /// How the names of the numbers begin.
    secret: &'static str,
}

impl Parts {
    fn of(file: &PathBuf) -> Self {
        let text = fs::read(file).expect("read");
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(&text).expect("a key");
        let pkcs8 = pkcs8.secret_pkcs8_der();
        let inner = elements(elements(pkcs8)[0])[2];
        let fields = elements(elements(inner)[0]);
        // RSAPrivateKey (RFC 8017, appendix A.1.2), or ECPrivateKey (RFC 5915, section 3).
        let (secret, numbers) = match fields.len() {
            9.. => (
                "prime",
                vec![("prime p", fields[4]), ("prime q", fields[5]), ("exponent", fields[3])],
            ),
            _ => ("scalar", vec![("scalar", fields[1])]),
        };
        let mut parts = vec![("PKCS#8", pkcs8.to_vec())];
        for (name, number) in numbers {
            let zeros = number.iter().take_while(|octet| **octet == 0).count();
            let number = number[zeros..].to_vec();
            parts.push((name, number.iter().rev().copied().collect()));
            parts.push((name, number));
        }
        Self { parts, secret }
    }

    /// Which of them are in the memory of a process, and how much of it was searched.
    fn found_in(&self, process: u32) -> (Vec<&'static str>, usize) {
        let memory = File::open(format!("/proc/{process}/mem")).expect("root may read it");
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("there");
        let finders: Vec<_> =
            self.parts.iter().map(|(name, octets)| (*name, Finder::new(octets))).collect();
        let (mut found, mut searched) = (Vec::new(), 0);
        for (from, to) in maps.lines().filter_map(range) {
            let mut octets = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut octets, from).is_err() {
                continue;
            }
            searched += octets.len();
            let here = finders.iter().filter(|(_, finder)| finder.find(&octets).is_some());
            found.extend(here.map(|(name, _)| *name));
        }
        (found, searched)
    }
}

/// A readable part of the memory.
fn range(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    words.next()?.starts_with('r').then_some(())?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(from)?, number(to)?))
}

/// The contents of the values in this DER, one after the other.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let [_, first, rest @ ..] = der {
        let long = usize::from(first & 0x7f);
        let (length, rest) = match first & 0x80 {
            0 => (long, rest),
            _ => (
                rest[..long].iter().fold(0, |n, octet| n << 8 | usize::from(*octet)),
                &rest[long..],
            ),
        };
        found.push(&rest[..length]);
        der = &rest[length..];
    }
    found
}
