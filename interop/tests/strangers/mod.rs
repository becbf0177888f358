//! Strangers at a port that takes several protocols: each begins with one of them, goes no further, and comes again when
//! it is sent away.

pub(crate) mod visitors;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sysio::Netns;

/// They are there until they are ended.
pub(crate) struct Strangers {
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    came: AtomicU64,
}

impl Strangers {
    /// So many at a time, from these addresses in turns; whoever is sent away comes again, at most so many a second.
    pub(crate) fn start(
        netns: &Netns,
        from: &[Ipv4Addr],
        door: SocketAddr,
        count: usize,
        a_second: usize,
    ) -> Self {
        let (over, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let part = |number: usize| {
            let (over, counts) = (Arc::clone(&over), Arc::clone(&counts));
            let from: Vec<_> = from.iter().copied().skip(number % from.len()).collect();
            let stay = move || {
                let mut part = Part { from, door, here: Vec::new(), turn: number };
                while !over.load(Ordering::Relaxed) {
                    part.stands_for(TURN, count / THREADS, a_second / THREADS / 10, &counts);
                }
            };
            netns.spawn_thread(&format!("strangers-{number}"), stay).expect("a thread")
        };
        let threads = (0..THREADS).map(part).collect();
        Self { over, counts, threads }
    }

    /// How many came so far.
    pub(crate) fn came(&self) -> u64 {
        self.counts.came.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}

/// What one thread has of them.
struct Part {
    from: Vec<Ipv4Addr>,
    door: SocketAddr,
    here: Vec<TcpStream>,
    turn: usize,
}

impl Part {
    fn stands_for(&mut self, turn: Duration, count: usize, most_new: usize, counts: &Counts) {
        let begun = Instant::now();
        self.here.retain_mut(stands);
        let wanted = (count - self.here.len()).min(most_new);
        let come: Vec<_> = (0..wanted).filter_map(|_| self.another()).collect();
        counts.came.fetch_add(come.len() as u64, Ordering::Relaxed);
        self.here.extend(come);
        thread::sleep(turn.saturating_sub(begun.elapsed()));
    }

    fn another(&mut self) -> Option<TcpStream> {
        self.turn += THREADS;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        let from = self.from[self.turn % self.from.len()];
        socket.bind(&SocketAddr::from((from, 0)).into()).ok()?;
        socket.connect_timeout(&self.door.into(), PATIENCE).ok()?;
        let mut stream = TcpStream::from(socket);
        stream.set_nonblocking(true).ok()?;
        stream.write_all(BEGINNINGS[self.turn / THREADS % BEGINNINGS.len()]).ok()?;
        Some(stream)
    }
}

/// Whatever it is told, it goes no further.
fn stands(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 256]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Nothing; the head of a TLS hello; half of a first packet of OpenVPN, and a whole one of nobody; a question of
/// PostgreSQL's, half of one; half a request.
const BEGINNINGS: [&[u8]; 7] = [
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00\x36\x38\x01\x02\x03\x04\x05\x06\x07\x08",
    b"\x00\x0e\x38\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00",
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    b"\x00\x00\x00\x08",
    b"GET / HTTP/1.1\r\nHost: we",
];
const THREADS: usize = 4;
const TURN: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);
