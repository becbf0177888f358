//! Nothing that a gateway says of its handshakes holds a secret of them. The client is ours, since it can write a key log,
//! and has a session while the gateway is asked; what is looked through is every format, `status`, `sessions`, the events,
//! the figures and the gateway's log.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Profile, tunnel_config};
use clock::{Clock, SystemClock};
use interop::{Subscriber, World, wait_until};
use tunnel::{Close, Event, Session};

const FORMATS: [&str; 5] = ["term", "svg", "html", "json", "mermaid"];
/// Of a longer secret each piece of so many bytes is looked for.
const PIECE: usize = 16;

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
    }
    assert!(world.log().contains("alice/default"), "{}", world.log());
    said.push(world.log());
    let secrets = log.0.lock().expect("a log").clone();
    assert!(secrets.len() >= 11, "two handshakes, and keys of a tunnel: {}", secrets.len());
    let profile = fs::read_to_string(alice.profile()).expect("a profile");
    let mut pieces = pieces_of_profile(&profile);
    assert!(has_any(&pieces, &profile), "the search finds what is there");
    pieces.extend(secrets.iter().flat_map(|secret| pieces_of(secret)));
    for text in &said {
        let begin: String = text.chars().take(200).collect();
        assert!(!has_any(&pieces, text), "a secret is in what begins with {begin}");
    }
    let digits = secrets.iter().map(|secret| hex(secret)).collect::<String>();
    assert!(has_any(&secrets.iter().flat_map(|one| pieces_of(one)).collect(), &digits));
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

/// As they are, and as digits.
fn pieces_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let pieces = secret.chunks_exact(PIECE);
    pieces.flat_map(|piece| [piece.to_vec(), hex(piece).into_bytes()]).collect()
}

/// The shared key and the device's, line by line.
fn pieces_of_profile(profile: &str) -> BTreeSet<Vec<u8>> {
    let inside = |name: &str| {
        let text = profile.split(&format!("<{name}>")).nth(1).expect("a block");
        text.split(&format!("</{name}>")).next().expect("its end").to_owned()
    };
    let lines = [inside("key"), inside("tls-auth")].join("\n");
    let lines = lines.lines().map(str::trim).filter(|line| !line.starts_with(['-', '#']));
    lines.flat_map(|line| pieces_of(line.as_bytes())).collect()
}

fn has_any(pieces: &BTreeSet<Vec<u8>>, text: &str) -> bool {
    let lower = text.to_lowercase();
    let has =
        |text: &str, length| text.as_bytes().windows(length).any(|some| pieces.contains(some));
    has(text, PIECE) || has(&lower, 2 * PIECE)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(40);
/// Reads in which nothing came.
const QUIET: u32 = 10;
