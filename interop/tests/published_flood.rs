//! What the CA publishes while strangers crowd in: connections that say nothing, bodies that are too long, paths
//! where nothing is, and questions with a nonce, each of which costs a signature. Honest askers are answered, pings through the tunnel go on, and memory stays bounded.
//!
//! Alone: it floods, times answers, and no ping may be lost.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use interop::{Own, Ping, World, long};
use pki::ocsp::{CertId, CertIdHash, Nonce, OcspRequest};
use pki::{CaCertificate, Serial};
use sysio::Netns;

#[test]
fn honest_askers_are_answered_and_pings_go_on_while_strangers_crowd_in() {
    let name = "honest_askers_are_answered_and_pings_go_on_while_strangers_crowd_in";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    let asker = world.host();
    let strangers = world.host();
    let path = crl_path(&world);
    let quiet = p99(&asked(&asker.netns, &path, Duration::from_secs(2)));
    let before = memory(&world);

    let (slow, seconds) = if long() { (10_000, 30) } else { (1_000, 6) };
    raise_descriptors(slow as u64 + 512);
    let question = question(&asker.netns, &path);
    let crowd = Crowd::start(&strangers.netns, slow, question);
    let log = world.file("ping.log");
    let gateway = "10.71.0.1".parse().expect("an address");
    let pings = seconds * 20;
    let ping =
        Ping::start(&alice.host.netns, gateway, pings, Duration::from_millis(50), &log).unwrap();
    let times = asked(&asker.netns, &path, Duration::from_secs(u64::from(seconds)));
    let report = ping.finish(Duration::from_secs(20));
    let (held, tried, signed) = crowd.end();
    let (after, crowded) = (memory(&world), p99(&times));
    println!(
        "FIGURE {slow} silent connections, {signed} answers signed for a nonce and {tried} other requests: \
         {} honest answers, p99 {} ms (quiet: {} ms), \
         {} of {} pings lost, memory {} to {} MiB",
        times.len(),
        crowded.as_millis(),
        quiet.as_millis(),
        report.lost(),
        report.sent,
        before >> 20,
        after >> 20
    );
    assert!(held >= slow / 2 && tried > 100, "{held} {tried}: it was no crowd");
    assert!(signed > 100, "{signed} signatures: it was no flood");
    assert!(times.len() > 20, "{} answers", times.len());
    assert!(crowded < Duration::from_secs(2), "{crowded:?}");
    assert_eq!(report.lost(), 0, "{}", world.log());
    assert!(after < before + (96 << 20), "{before} {after}");
    assert!(world.log().lines().count() < 2_000, "a stranger fills the log");
}

/// Who crowds in, until it is ended.
struct Crowd {
    over: Arc<AtomicBool>,
    tried: Arc<AtomicU64>,
    signed: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<usize>>,
}

impl Crowd {
    fn start(netns: &Netns, slow: usize, question: Vec<u8>) -> Self {
        let (over, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let silent = {
            let over = Arc::clone(&over);
            move || {
                let mut held = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    if held.len() < slow
                        && let Ok(mut stream) = connect()
                    {
                        let _ = stream.write_all(b"GET /ca/");
                        held.push(stream);
                    } else {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
                held.len()
            }
        };
        let mut threads = vec![netns.spawn_thread("silent", silent).expect("a thread")];
        let body = vec![b'x'; 64 * 1024];
        let long = [b"POST /ca/00000000/ocsp HTTP/1.1\r\nhost: a\r\ncontent-type: application/ocsp-request\r\n\
            content-length: 65536\r\n\r\n".as_slice(), &body].concat();
        let nowhere = b"GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec();
        for request in [long, nowhere] {
            let (over, tried) = (Arc::clone(&over), Arc::clone(&tried));
            let again = move || {
                while !over.load(Ordering::Relaxed) {
                    if let Ok(mut stream) = connect() {
                        let _ = stream.write_all(&request);
                        let _ = stream.read(&mut [0; 512]);
                    }
                    tried.fetch_add(1, Ordering::Relaxed);
                }
                0
            };
            threads.push(netns.spawn_thread("again", again).expect("a thread"));
        }
        let signed = Arc::new(AtomicU64::new(0));
        for _ in 0..2 {
            let (over, signed, question) =
                (Arc::clone(&over), Arc::clone(&signed), question.clone());
            let again = move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = connect()
                        .and_then(|mut stream| ask_again(&mut stream, &question, &over, &signed));
                }
                0
            };
            threads.push(netns.spawn_thread("asks", again).expect("a thread"));
        }
        Self { over, tried, signed, threads }
    }

    /// How many silent connections were made, how many other requests, and how many answers were signed.
    fn end(self) -> (usize, u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        let held = self.threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        (held, self.tried.load(Ordering::Relaxed), self.signed.load(Ordering::Relaxed))
    }
}

/// A question with a nonce, as it goes over the network. It may be asked again and again: each answer is another one.
fn question(netns: &Netns, crl_path: &str) -> Vec<u8> {
    let of_the_ca = crl_path.trim_end_matches(".crl").to_owned();
    let certificate = netns
        .run(|| {
            let mut answer = Vec::new();
            let mut stream = connect()?;
            write!(stream, "GET {of_the_ca}.crt HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
            stream.read_to_end(&mut answer)?;
            std::io::Result::Ok(answer)
        })
        .expect("the namespace can be entered")
        .expect("the CA's certificate is published");
    let body = memchr::memmem::find(&certificate, b"\r\n\r\n").expect("a head") + 4;
    let ca = CaCertificate::from_der(&certificate[body..]).expect("a CA's certificate");
    let id = CertId::new(CertIdHash::Sha256, &ca, Serial::from_random([7; 16]));
    let body = OcspRequest::new(id, Some(Nonce::from_random([7; 32]))).to_der();
    let head = format!(
        "POST {of_the_ca}/ocsp HTTP/1.1\r\nhost: a\r\ncontent-type: application/ocsp-request\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Asks on one connection as fast as answers come, until it breaks or it is over.
fn ask_again(
    stream: &mut TcpStream,
    question: &[u8],
    over: &AtomicBool,
    signed: &AtomicU64,
) -> std::io::Result<()> {
    let mut answer = [0; 8 * 1024];
    while !over.load(Ordering::Relaxed) {
        stream.write_all(question)?;
        if stream.read(&mut answer)? == 0 || !answer.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        signed.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// How long each honest question took.
fn asked(netns: &Netns, path: &str, time: Duration) -> Vec<Duration> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let ask = || {
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            let asked = Instant::now();
            let mut answer = Vec::new();
            let stream = connect().and_then(|mut stream| {
                stream.write_all(request.as_bytes())?;
                stream.read_to_end(&mut answer)
            });
            if stream.is_ok() && answer.starts_with(b"HTTP/1.1 200") {
                times.push(asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        times
    };
    netns.run(ask).expect("the namespace can be entered")
}

fn connect() -> std::io::Result<TcpStream> {
    let address = "203.0.113.2:80".parse().expect("an address");
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

fn p99(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

fn crl_path(world: &World) -> String {
    let ca = world.json(&["ca", "show"]).to_string();
    let tag = ca.split("Handfast CA ").nth(1).and_then(|rest| rest.get(..8)).expect("a tag");
    format!("/ca/{tag}.crl")
}

/// What the gateway's process holds, in bytes.
fn memory(world: &World) -> u64 {
    let id = world.up.as_ref().expect("it runs").id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

fn raise_descriptors(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let present = getrlimit(Resource::Nofile);
    let current = present.current.unwrap_or(u64::MAX).max(wanted);
    let maximum = present.maximum.map(|most| most.max(wanted));
    // What root may not raise shows in the figures.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum });
}
