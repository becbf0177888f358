//! Crowds at the TLS door: slow connections, half-closed ones, resets at each step, a backend that takes nothing, long
//! uploads; and changes of settings, certificates and backends under load. A stock VPN client's pings go on meanwhile,
//! memory stays bounded, and nothing is left behind.
//!
//! Alone: it floods, and no ping may be lost.

mod tls_house;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use interop::{Ping, Stock, long, wait_until};
use socket2::SockRef;
use sysio::Netns;
use tls_house::load::Load;
use tls_house::watch::{Watch, raise_descriptors};
use tls_house::{Client, House, Tls, answer, ask};

#[test]
fn crowds_of_every_kind_hold_bounded_memory_and_lose_no_ping() {
    let name = "crowds_of_every_kind_hold_bounded_memory_and_lose_no_ping";
    let Some(mut house) = House::start(name, SERVERS) else { return };
    let alice = house.world.subscriber("alice", "unified");
    let mut vpn = Stock::start(&alice.host, &alice.profile(), &[]);
    vpn.connected();
    let host = house.world.host();
    let (slow, guests, seconds, upload) =
        if long() { (10_000, 8_000, 60, 1 << 30) } else { (1_000, 200, 10, 48 << 20) };
    raise_descriptors(2 * (slow + guests) as u64 + 1024);
    // Strangers of one host make room for each other.
    let elsewhere = house.world.host();
    let honest = Honest::start(&elsewhere.netns, &house.client);
    assert!(wait_until(SOON, || honest.answers() > 5), "nobody is answered");
    let (before, open) = (house.memory(), house.descriptors());

    let gateway = "10.71.0.1".parse().expect("an address");
    let (log, pace) = (house.world.file("ping.log"), Duration::from_millis(50));
    let ping =
        Ping::start(&alice.host.netns, gateway, seconds * 20, pace, &log).expect("it starts");
    let watch = Watch::start(house.process());
    let from = (&host.netns, &elsewhere.netns);
    let crowd = Crowd::start(from, &house.client, slow, guests, upload);
    let report = ping.finish(Duration::from_secs(u64::from(seconds) * 3 + 20));
    let uploads = crowd.uploads();
    // Those who are not read from then on, which a busy machine takes some time for.
    assert!(wait_until(SOON * 5, || crowd.stalled() >= 4), "{} are stuck", crowd.stalled());
    let came = crowd.end();
    let most = watch.end();
    let (answered, failed) = honest.end();

    // What is left has a minute to be noticed where a side said nothing of its end.
    let gone = || house.descriptors() <= open + 16;
    assert!(
        wait_until(Duration::from_secs(90), gone),
        "{} of {open} are open\n{}",
        house.descriptors(),
        house.sockets()
    );
    assert!(wait_until(SOON, || house.world.sessions().len() == 1), "{:?}", house.world.sessions());
    println!(
        "FIGURE {came}, {} MiB uploaded; memory {} to {} MiB at most, {} MiB after; {answered} honest answers, {} lost; \
         {} of {} pings lost, the longest silence {} ms",
        uploads >> 20,
        before >> 20,
        most >> 20,
        house.memory() >> 20,
        failed.len(),
        report.lost(),
        report.sent,
        report.silence.as_millis()
    );
    assert!(came.slow >= slow as u64 && came.resets > 20 && came.halves > 20, "{came}: no crowd");
    assert!(uploads >= 2 * upload, "{uploads} of {} bytes", 2 * upload);
    assert!(answered > 20 && failed.is_empty(), "{answered} answers; {failed:?}");
    let bound = before + (if long() { 768 } else { 192 } << 20);
    assert!(most < bound, "{before} {most}");
    assert_eq!(report.lost(), 0, "{}", house.world.log());
    assert!(house.world.log().lines().count() < 3_000, "a stranger fills the log");
}

#[test]
fn settings_certificates_and_backends_change_under_load_and_no_request_fails() {
    let name = "settings_certificates_and_backends_change_under_load_and_no_request_fails";
    let Some(mut house) = House::start(name, SERVERS) else { return };
    let host = house.world.host();
    let plain = fs::read_to_string(house.settings()).expect("settings");
    let load = Load::start(&host.netns, &house.client, "load.test");
    assert!(wait_until(SOON, || load.done() > 100), "{:?}", load.failed());
    let begun = Instant::now();
    let (first, rounds) = (load.done(), if long() { 12 } else { 2 });
    for round in 0..rounds {
        let changes = [
            // Somebody else's.
            plain.clone()
                + "\n[[tls.server]]\nnames = [\"more.test\"]\nbackend = \"tcp:127.0.0.1:7000\"\n",
            // Another certificate.
            plain.replace(LOAD, &format!("names = [\"load.test\", \"round-{round}.test\"]")),
            // Another backend.
            plain.replace("7001\" # load", "7002\" # load"),
            // Other limits.
            plain.replace(LOAD, &format!("{LOAD}\nmax_connections = {}", 9000 + round)),
            plain.clone(),
        ];
        for text in changes {
            assert!(text == plain || text != plain.replace(LOAD, ""), "nothing would change");
            let turns = text.contains("7002\" # load");
            fs::write(house.settings(), text).expect("written");
            house.world.handfast(&["reload"]);
            let one = if turns { "two" } else { "one" };
            let turned = || load.last_first().as_deref() == Some(one);
            assert!(wait_until(SOON, turned), "{:?}, {:?}", load.last_first(), load.failed());
            thread::sleep(Duration::from_millis(if long() { 1000 } else { 200 }));
        }
    }
    let (took, asked) = (begun.elapsed().as_secs_f64(), load.done() - first);
    let (failed, connections, slowest) = load.end();
    println!(
        "FIGURE {} changes in {took:.1} s under {:.0} requests a second over {connections} connections: {} failed, the \
         slowest took {} ms",
        rounds * 5,
        asked as f64 / took,
        failed.len(),
        slowest.as_millis()
    );
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    assert!(
        asked as f64 / took >= if long() { 1_000.0 } else { 50.0 },
        "{asked} in {took} s: no load"
    );
}

/// All that crowds in, until it is ended.
struct Crowd {
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// What one of them does, for as long as it goes on.
type Work = fn(&Client, &Counts, &dyn Fn() -> bool, u64);

/// How many of each came.
#[derive(Debug, Default)]
struct Counts {
    slow: AtomicU64,
    guests: AtomicU64,
    halves: AtomicU64,
    resets: AtomicU64,
    stalled: AtomicU64,
    uploaded: AtomicU64,
    uploads_done: AtomicU64,
}

/// The same when all is over.
struct Came {
    slow: u64,
    guests: u64,
    halves: u64,
    resets: u64,
    stalled: u64,
}

impl Crowd {
    /// Uploads come from another host than strangers: it is the place of a handshake that those take.
    fn start(
        (host, elsewhere): (&Netns, &Netns),
        client: &Client,
        slow: usize,
        guests: usize,
        upload: u64,
    ) -> Self {
        let (over, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let mut threads = Vec::new();
        let mut join = |netns: &Netns, name: &str, work: Work, size: u64| {
            let (over, counts, client) = (Arc::clone(&over), Arc::clone(&counts), client.clone());
            let goes_on = move || !over.load(Ordering::Relaxed);
            let work = move || work(&client, &counts, &goes_on, size);
            threads.push(netns.spawn_thread(name, work).expect("a thread"));
        };
        join(host, "slow", slow_strangers, slow as u64);
        join(host, "guests", slow_guests, guests as u64);
        join(host, "halves", half_closed, 0);
        join(host, "resets", resets, 0);
        join(host, "stalled", stalled, if long() { 40 } else { 12 });
        join(elsewhere, "tcp", upload_bytes, upload);
        join(elsewhere, "http", upload_request, upload);
        Self { over, counts, threads }
    }

    /// How much was uploaded, once both uploads are done.
    fn uploads(&self) -> u64 {
        let done = || self.counts.uploads_done.load(Ordering::Relaxed) == 2;
        assert!(wait_until(Duration::from_secs(300), done), "the uploads do not end");
        self.counts.uploaded.load(Ordering::Relaxed)
    }

    /// How many pour and have nothing taken from them any more.
    fn stalled(&self) -> u64 {
        self.counts.stalled.load(Ordering::Relaxed)
    }

    fn end(self) -> Came {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { slow, guests, halves, resets, stalled, .. } = &*self.counts;
        let (slow, guests, halves) = (of(slow), of(guests), of(halves));
        Came { slow, guests, halves, resets: of(resets), stalled: of(stalled) }
    }
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { slow, guests, halves, resets, stalled } = self;
        write!(
            f,
            "{slow} slow strangers, {guests} slow guests, {halves} half-closed, {resets} reset, {stalled} stalled"
        )
    }
}

/// The beginning of a hello, and one byte more now and then.
fn slow_strangers(client: &Client, counts: &Counts, goes_on: &dyn Fn() -> bool, most: u64) {
    let hello = client.hello("lines.test");
    let mut held: Vec<(TcpStream, usize)> = Vec::new();
    while goes_on() {
        if (held.len() as u64) < most
            && let Ok(mut socket) = client.socket()
        {
            let _ = socket.write_all(&hello[..50]);
            held.push((socket, 50));
            counts.slow.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        for (socket, at) in &mut held {
            *at = (*at + 1).min(hello.len() - 1);
            let _ = socket.write_all(&hello[*at - 1..*at]);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// They are let in, and then say a word now and then.
fn slow_guests(client: &Client, counts: &Counts, goes_on: &dyn Fn() -> bool, most: u64) {
    let mut held: Vec<Tls> = Vec::new();
    while goes_on() {
        if (held.len() as u64) < most {
            if let Ok(stream) = client.connect("lines.test") {
                held.push(stream);
                counts.guests.fetch_add(1, Ordering::Relaxed);
            }
            continue;
        }
        for stream in &mut held {
            let _ = stream.write_all(b"x");
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// One side says that it has said all, at each step, and stays.
fn half_closed(client: &Client, counts: &Counts, goes_on: &dyn Fn() -> bool, _: u64) {
    let hello = client.hello("lines.test");
    let mut held = std::collections::VecDeque::new();
    let mut guests = std::collections::VecDeque::new();
    for step in (0..4).cycle() {
        if !goes_on() {
            return;
        }
        let done = match step {
            3 => client.connect("lines.test").map(|mut stream| {
                let _ = stream.write_all(b"half a line");
                let _ = stream.sock.shutdown(Shutdown::Write);
                guests.push_back(stream);
            }),
            step => client.socket().map(|mut socket| {
                let _ = socket.write_all(&hello[..[0, 100, hello.len()][step]]);
                let _ = socket.shutdown(Shutdown::Write);
                held.push_back(socket);
            }),
        };
        counts.halves.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
        if held.len() > 200 {
            held.pop_front();
        }
        if guests.len() > 200 {
            guests.pop_front();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A reset at each step.
fn resets(client: &Client, counts: &Counts, goes_on: &dyn Fn() -> bool, _: u64) {
    let hello = client.hello("lines.test");
    for step in (0..7).cycle() {
        if !goes_on() {
            return;
        }
        if reset_at(step, client, &hello).is_ok() {
            counts.resets.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn reset_at(step: usize, client: &Client, hello: &[u8]) -> io::Result<()> {
    let socket = match step {
        0 => client.socket()?,
        1 | 2 => {
            let mut socket = client.socket()?;
            socket.write_all(&hello[..[100, hello.len()][step - 1]])?;
            socket
        }
        3 => {
            let mut socket = client.socket()?;
            socket.write_all(hello)?;
            socket.read_exact(&mut [0; 5])?;
            socket
        }
        4 => client.connect("lines.test")?.sock,
        5 => {
            let mut stream = client.connect("lines.test")?;
            ask(&mut stream, "hello")?;
            stream.sock
        }
        _ => {
            let mut stream = client.connect("sink.test")?;
            stream.write_all(&[7; 64 * 1024])?;
            stream.sock
        }
    };
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))
}

/// They pour into a backend that takes nothing, for as long as anything is taken.
fn stalled(client: &Client, counts: &Counts, goes_on: &dyn Fn() -> bool, most: u64) {
    // Each with how often in a row nothing was taken.
    let mut held: Vec<(Tls, u32)> = Vec::new();
    let piece = [7; 16 * 1024];
    while goes_on() {
        if (held.len() as u64) < most
            && let Ok(stream) = client.connect("stalls.test")
        {
            let _ = stream.sock.set_write_timeout(Some(Duration::from_millis(5)));
            // The library reads where it can't write.
            let _ = stream.sock.set_read_timeout(Some(Duration::from_millis(5)));
            // Little waits on this side.
            let _ = SockRef::from(&stream.sock).set_send_buffer_size(32 * 1024);
            held.push((stream, 0));
        }
        for (stream, untaken) in &mut held {
            let taken = (0..64).take_while(|_| stream.write(&piece).is_ok()).count();
            *untaken = if taken > 0 { 0 } else { *untaken + 1 };
        }
        let stuck = held.iter().filter(|(_, untaken)| *untaken > 2).count();
        counts.stalled.store(stuck as u64, Ordering::Relaxed);
    }
    // They break off: an end that waits behind what is not taken is heard when the kernel gives up, minutes later.
    for (stream, _) in held {
        let _ = SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO));
    }
}

/// So many bytes to a service that counts them.
fn upload_bytes(client: &Client, counts: &Counts, _: &dyn Fn() -> bool, size: u64) {
    let upload = || -> io::Result<String> {
        let mut stream = client.connect("sink.test")?;
        pour(&mut stream, counts, size)?;
        stream.conn.send_close_notify();
        stream.flush()?;
        let mut said = String::new();
        // What counts stands before the end, however that looks.
        let _ = stream.read_to_string(&mut said);
        Ok(said)
    };
    let said = upload().expect("it is taken");
    assert_eq!(said.trim(), size.to_string());
    counts.uploads_done.fetch_add(1, Ordering::Relaxed);
}

/// The same as the body of a request.
fn upload_request(client: &Client, counts: &Counts, _: &dyn Fn() -> bool, size: u64) {
    let upload = || -> io::Result<String> {
        let mut stream = client.connect("upload.test")?;
        let head =
            format!("POST / HTTP/1.1\r\nhost: upload.test\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        pour(&mut stream, counts, size)?;
        answer(&mut stream)
    };
    assert_eq!(upload().expect("it is taken"), size.to_string());
    counts.uploads_done.fetch_add(1, Ordering::Relaxed);
}

fn pour(stream: &mut Tls, counts: &Counts, size: u64) -> io::Result<()> {
    let piece = [b'x'; 16 * 1024];
    for _ in 0..size / piece.len() as u64 {
        stream.write_all(&piece)?;
        counts.uploaded.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Somebody who asks a line now and then over a connection of its own, and another over one that stays.
struct Honest {
    over: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    thread: thread::JoinHandle<()>,
}

impl Honest {
    fn start(netns: &Netns, client: &Client) -> Self {
        let (over, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let failed = Arc::<Mutex<Vec<String>>>::default();
        let (ends, counted, told) = (Arc::clone(&over), Arc::clone(&answers), Arc::clone(&failed));
        let client = client.clone();
        let asks = move || {
            let mut stays = client.connect("lines.test").expect("a connection");
            while !ends.load(Ordering::Relaxed) {
                let anew = client.connect("lines.test").and_then(|mut one| ask(&mut one, "anew"));
                for outcome in [ask(&mut stays, "again"), anew] {
                    match outcome {
                        Ok(_) => drop(counted.fetch_add(1, Ordering::Relaxed)),
                        Err(why) => told.lock().expect("whole").push(why.to_string()),
                    }
                }
                thread::sleep(Duration::from_millis(50));
            }
        };
        let thread = netns.spawn_thread("honest", asks).expect("a thread");
        Self { over, answers, failed, thread }
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn end(self) -> (u64, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        (self.answers.load(Ordering::Relaxed), self.failed.lock().expect("whole").clone())
    }
}

const SOON: Duration = Duration::from_secs(20);
const LOAD: &str = "names = [\"load.test\"]";
const SERVERS: &str = r#"
[[tls.listen]]
address = "[::]:443"

[[tls.server]]
names = ["lines.test"]
backend = "tcp:127.0.0.1:7000"

[[tls.server]]
names = ["load.test"]
backend = "http://127.0.0.1:7001" # load

[[tls.server]]
names = ["stalls.test"]
backend = "tcp:127.0.0.1:7003"

[[tls.server]]
names = ["sink.test"]
backend = "tcp:127.0.0.1:7004"

[[tls.server]]
names = ["upload.test"]
backend = "http://127.0.0.1:7005"
"#;
