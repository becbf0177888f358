//! Nothing that a gateway says of its handshakes holds a secret of them. The client is ours, since it can write a key log,
//! and has a session while the gateway is asked; what is looked through is every format, `status`, `sessions`, the events,
//! the figures and the gateway's log.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Profile, tunnel_config};
use clock::{Clock, SystemClock};
use interop::{Subscriber, World, wait_until};
use testkit::secrets::{Secrets, of_profile, written};
use tunnel::{Close, Event, Session};

const FORMATS: [&str; 5] = ["term", "svg", "html", "json", "mermaid"];

#[test]
fn nothing_that_a_gateway_says_of_its_handshakes_holds_a_secret_of_them() {
    let name = "nothing_that_a_gateway_says_of_its_handshakes_holds_a_secret_of_them";
    let settings = [("explain.keep", "\"all\""), ("vpn.hand_window", "20")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let log = Arc::new(Log::default());
    let mut said = Vec::new();
    connect(&world, &alice, &log, || {
        wait_until(SOON, || session(&world, "json").contains("\"push_reply\""));
        said.extend(FORMATS.map(|format| session(&world, format)));
    });
    assert!(said.iter().any(|one| one.contains("\"push_reply\"")), "it is told to its end");
    world.handfast(&["device", "revoke", "alice/default"]);
    let before = world.counted("revoked");
    connect(&world, &alice, &log, || panic!("it is let in"));
    assert!(wait_until(SOON, || world.counted("revoked") > before), "{}", world.log());
    for format in FORMATS {
        said.push(world.handfast(&["explain", "failure", "--format", format]));
    }
    said.push(world.handfast(&["explain", "failure", "--short"]));
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--prometheus"],
        &["sessions", "--history"],
        &["events"],
        &["check"],
    ] {
        let output = world.try_handfast(words);
        said.push(String::from_utf8_lossy(&output.stdout).into_owned());
        said.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    assert!(world.log().contains("alice/default"), "{}", world.log());
    said.push(world.log());
    let agreed = log.0.lock().expect("a log").clone();
    assert!(agreed.len() >= 11, "two handshakes, and keys of a tunnel: {}", agreed.len());
    let profile = fs::read_to_string(alice.profile()).expect("a profile");
    let given = of_profile(&profile);
    for secret in &given {
        assert!(
            Secrets::of([secret]).found_in(profile.as_bytes()).is_some(),
            "it finds what is there"
        );
    }
    let all = Secrets::of(agreed.iter().chain(&given));
    for text in &said {
        let begin: String = text.chars().take(200).collect();
        assert_eq!(all.found_in(text.as_bytes()), None, "a secret is in what begins with {begin}");
    }
    for (form, text) in agreed.iter().chain(&given).flat_map(|secret| written(secret)) {
        assert!(all.found_in(&text).is_some(), "{form}");
    }
    assert!(!world.key_log().exists(), "the gateway writes a key log");
    assert_eq!(world.log().matches("SSLKEYLOGFILE has no effect here").count(), 1);
    // What is agreed on stands in no file either: not in the records, and not beside them.
    let agreed = Secrets::of(&agreed);
    let files = files_below(&world.file(""));
    assert!(files.iter().any(|file| file.starts_with(world.data())), "{files:?}");
    for file in files {
        let octets = fs::read(&file).unwrap_or_default();
        assert_eq!(agreed.found_in(&octets), None, "a secret is in {}", file.display());
    }
}

fn session(world: &World, format: &str) -> String {
    let output = world.try_handfast(&["explain", "session", "alice", "--format", format]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A session of our own client, which says goodbye once `meanwhile` was done, or is refused. Its secrets go to `log`.
fn connect(world: &World, who: &Subscriber, log: &Arc<Log>, meanwhile: impl FnOnce() + Send) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let profile = Profile::load(Path::new(&who.profile()), &SystemClock).expect("a profile");
    let mut config = tunnel_config(&profile, &clock).expect("a profile of use");
    let mut tls = (*config.tls).clone();
    tls.key_log = Arc::clone(log) as _;
    config.tls = Arc::new(tls);
    let seed = [log.0.lock().expect("a log").len() as u8; 32];
    let session = Session::client(Arc::new(config), seed, clock.now());
    let server = (world.gateway.v4[0], 1194);
    let talk = move || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.connect(server).expect("a way");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
        Talk { session, socket, log }.until_its_end(meanwhile);
    };
    who.host.netns.run(talk).expect("a thread");
}

struct Talk<'a> {
    session: Session,
    socket: UdpSocket,
    log: &'a Log,
}

impl Talk<'_> {
    fn until_its_end(mut self, meanwhile: impl FnOnce()) {
        let (begun, mut meanwhile) = (SystemClock.now().boot, Some(meanwhile));
        let mut quiet = 0;
        while !self.session.is_ended() && SystemClock.now().boot < begun + LONG {
            quiet = if self.step() { 0 } else { quiet + 1 };
            // Both have said all, and the gateway has read it.
            if quiet > QUIET
                && self.session.is_established()
                && let Some(meanwhile) = meanwhile.take()
            {
                meanwhile();
                self.session.close(Close::Exit, SystemClock.now()).expect("it is up");
            }
        }
    }

    /// Whether anything came.
    fn step(&mut self) -> bool {
        let now = SystemClock.now();
        self.session.handle_timeout(now);
        while let Some(event) = self.session.poll_event() {
            if let Event::KeyReady(key) = event {
                self.log.0.lock().expect("a log").push(key.material.as_bytes().to_vec());
                self.session.key_installed(key.key_id, now).expect("it is awaited");
            }
        }
        while let Some(packet) = self.session.poll_transmit(now) {
            let _ = self.socket.send(&packet);
        }
        let mut packet = [0; 2048];
        let Ok(length) = self.socket.recv(&mut packet) else { return false };
        let _ = self.session.handle_datagram(&packet[..length], SystemClock.now());
        true
    }
}

/// What was agreed on: the secrets of TLS, and keys of the tunnel.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<Vec<u8>>>);

impl rustls::KeyLog for Log {
    fn log(&self, _label: &str, _client_random: &[u8], secret: &[u8]) {
        self.0.lock().expect("a log").push(secret.to_vec());
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_below(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(40);
/// Reads in which nothing came.
const QUIET: u32 = 10;
