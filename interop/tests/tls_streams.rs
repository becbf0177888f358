//! Crowds of HTTP/2 clients that ask for much and take nothing: what the gateway holds for them is bounded, others are
//! answered meanwhile, a stock VPN client's pings go on, and when they are gone nothing is left.
//!
//! Alone: it fills memory as far as it is let.

mod tls_house;

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use interop::{Ping, Stock, long, wait_until};
use socket2::{Domain, Socket, Type};
use sysio::Netns;
use tls_house::frames::{WINDOW_UPDATE, frame, get, preface};
use tls_house::load::Load;
use tls_house::watch::{Watch, raise_descriptors};
use tls_house::{Client, House, Tls};

#[test]
fn streams_that_nobody_reads_hold_bounded_memory_and_no_place_of_others() {
    let name = "streams_that_nobody_reads_hold_bounded_memory_and_no_place_of_others";
    let Some(mut house) = House::start(name, SERVERS) else { return };
    let (crowd, seconds) = if long() { (1_000, 90) } else { (100, 10) };
    raise_descriptors(4 * crowd as u64 + 8_192);
    let alice = house.world.subscriber("alice", "unified");
    let mut vpn = Stock::start(&alice.host, &alice.profile(), &[]);
    vpn.connected();
    let hosts = [house.world.host(), house.world.host()];
    let elsewhere = house.world.host();
    let (before, open) = (house.memory(), house.descriptors());
    let load = Load::start(&elsewhere.netns, &house.client, "load.test");
    let watch = Watch::start(house.process());
    let (log, gateway) = (house.world.file("ping.log"), "10.71.0.1".parse().expect("an address"));
    let pace = Duration::from_millis(50);
    // While they come as well.
    let count = u32::try_from(seconds + 10).expect("few") * 20;
    let ping = Ping::start(&alice.host.netns, gateway, count, pace, &log).expect("it starts");
    let arrives = Instant::now();
    // Those that never let anything come, and those that let all come and read none of it.
    let kinds = [(&hosts[0], 0), (&hosts[1], WIDE)];
    let crowds: Vec<_> = kinds
        .into_iter()
        .map(|(host, window)| Crowd::start(&host.netns, &house.client, crowd / 2, window))
        .collect();
    let came = || crowds.iter().map(Crowd::came).sum::<u64>();
    assert!(wait_until(SOON * 6, || came() >= crowd as u64), "{} came", came());
    let arrived = arrives.elapsed().as_secs_f64();
    let begun = (Instant::now(), load.done());
    thread::sleep(Duration::from_secs(seconds));
    let asked = (load.done() - begun.1) as f64 / begun.0.elapsed().as_secs_f64();
    let most = watch.end();
    let pings = ping.finish(SOON * 3);
    let came: u64 = crowds.into_iter().map(Crowd::end).sum();
    let (failed, _, slowest) = load.end();
    println!(
        "FIGURE {came} connections that ask for {STREAMS} streams each, of which {crowd} stay, after {arrived:.1} s: memory \
         {} to {} MiB at most; {asked:.0} requests a second of others, {} failed, the slowest took {} ms; {} of {} pings \
         lost, the longest silence {} ms",
        before >> 20,
        most >> 20,
        failed.len(),
        slowest.as_millis(),
        pings.lost(),
        pings.sent,
        pings.silence.as_millis()
    );
    assert_eq!(pings.lost(), 0, "{}", house.world.log());
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    assert!(asked > 20.0, "{asked} requests a second: others wait");
    let bound = before + ((if long() { 512 } else { 448 }) << 20);
    assert!(most < bound, "{before} {most}");
    let gone = || house.descriptors() <= open + 16;
    assert!(wait_until(SOON * 4, gone), "{} of {open}\n{}", house.descriptors(), house.sockets());
}

/// Clients that ask on all streams that they may have and take nothing, until it is ended. Whoever is sent away comes
/// again.
struct Crowd {
    over: Arc<AtomicBool>,
    came: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Crowd {
    fn start(netns: &Netns, client: &Client, count: usize, window: u32) -> Self {
        let (over, came) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ends, counted, client) = (Arc::clone(&over), Arc::clone(&came), client.speaking("h2"));
        let stay = move || {
            let mut here: Vec<Tls> = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                here.retain(|one| one.sock.take_error().is_ok_and(|error| error.is_none()));
                if here.len() < count {
                    if let Ok(one) = ask_for_all(&client, window) {
                        here.push(one);
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                } else {
                    thread::sleep(Duration::from_millis(100));
                }
            }
        };
        let thread = netns.spawn_thread("crowd", stay).expect("a thread");
        Self { over, came, thread }
    }

    /// How many came in all.
    fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let came = self.came();
        self.thread.join().expect("no panic");
        came
    }
}

/// Little waits on its side, so that what it does not take waits at the gateway.
fn ask_for_all(client: &Client, window: u32) -> io::Result<Tls> {
    let socket = Socket::new(Domain::for_address(client.door), Type::STREAM, None)?;
    socket.set_recv_buffer_size(8 * 1024)?;
    socket.connect_timeout(&client.door.into(), PATIENCE)?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut stream = client.over(socket, "endless.test")?;
    stream.write_all(&greedy(window))?;
    stream.flush()?;
    Ok(stream)
}

/// The preface, so wide a window for each answer, and as many requests as there may be at once.
fn greedy(window: u32) -> Vec<u8> {
    let mut octets = preface(window);
    octets.extend(frame(WINDOW_UPDATE, 0, 0, &(WIDE - 65_535).to_be_bytes()));
    octets.extend((0..STREAMS).flat_map(|number| get(2 * number + 1, "endless.test")));
    octets
}

const WIDE: u32 = 0x7fff_ffff;
/// What the gateway lets the first connections of a host have.
const STREAMS: u32 = 100;
const SOON: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(30);
const SERVERS: &str = r#"
[[tls.listen]]
address = "[::]:443"

[[tls.server]]
names = ["load.test"]
backend = "http://127.0.0.1:7001"

[[tls.server]]
names = ["endless.test"]
backend = "http://127.0.0.1:7006"
"#;
