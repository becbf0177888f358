//! Visitors of a site that is open to everybody: nobody knows them, they are let in, have a page, and stay, as browsers do
//! over HTTP/2.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sysio::Netns;

use crate::tls_house::frames::{ACK, GOAWAY, HEADERS, PING, frame, get, preface, take};
use crate::tls_house::{Client, Tls};

/// They are there until they are ended.
pub(crate) struct Visitors {
    over: Arc<AtomicBool>,
    here: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Visitors {
    /// So many, from these addresses in turns, at the site of this name.
    pub(crate) fn start(
        netns: &Netns,
        from: &[Ipv4Addr],
        client: &Client,
        site: &'static str,
        count: usize,
    ) -> Self {
        let (over, here) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let part = |number: usize| {
            let (over, here, client) =
                (Arc::clone(&over), Arc::clone(&here), client.speaking("h2"));
            let from = from.iter().copied().cycle().skip(number).step_by(THREADS);
            let from: Vec<_> = from.take(count / THREADS).collect();
            let stay = move || {
                let mut part = Part { from, client, site, staying: Vec::new() };
                while !over.load(Ordering::Relaxed) {
                    part.turn(&here);
                }
            };
            netns.spawn_thread(&format!("visitors-{number}"), stay).expect("a thread")
        };
        let threads = (0..THREADS).map(part).collect();
        Self { over, here, threads }
    }

    /// How many are there.
    pub(crate) fn here(&self) -> u64 {
        self.here.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}

/// What one thread has of them.
struct Part {
    /// Where those are that are not there yet.
    from: Vec<Ipv4Addr>,
    client: Client,
    site: &'static str,
    staying: Vec<Visitor>,
}

impl Part {
    /// All answer what they are asked, and some more come.
    fn turn(&mut self, here: &AtomicU64) {
        let gone: Vec<_> = self.staying.extract_if(.., |one| one.stays().is_err()).collect();
        here.fetch_sub(gone.len() as u64, Ordering::Relaxed);
        self.from.extend(gone.iter().map(|one| one.at));
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            match self.from.pop().map(|at| (at, Visitor::come(&self.client, self.site, at))) {
                Some((_, Ok(one))) => {
                    self.staying.push(one);
                    here.fetch_add(1, Ordering::Relaxed);
                }
                Some((at, Err(_))) => {
                    self.from.insert(0, at);
                    thread::sleep(PAUSE);
                }
                None => thread::sleep(PAUSE),
            }
        }
    }
}

/// One of them, who has had a page.
struct Visitor {
    at: Ipv4Addr,
    site: &'static str,
    stream: Tls,
    heard: Vec<u8>,
    asked: Instant,
    requests: u32,
}

impl Visitor {
    fn come(client: &Client, site: &'static str, at: Ipv4Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((at, 0)).into())?;
        socket.connect_timeout(&client.door.into(), PATIENCE)?;
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = client.over(socket, site)?;
        stream.write_all(&[preface(WINDOW), get(1, site)].concat())?;
        let mut one =
            Self { at, site, stream, heard: Vec::new(), asked: Instant::now(), requests: 1 };
        while !one.hears()? {}
        one.stream.sock.set_nonblocking(true)?;
        Ok(one)
    }

    /// It is still there, answers the gateway's questions, and asks for the page again before it would be sent away.
    fn stays(&mut self) -> io::Result<()> {
        if self.asked.elapsed() > AGAIN {
            self.stream.write_all(&get(2 * self.requests + 1, self.site))?;
            (self.asked, self.requests) = (Instant::now(), self.requests + 1);
        }
        loop {
            match self.hears() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                heard => _ = heard?,
            }
        }
    }

    /// Reads once; whether the head of an answer was in it.
    fn hears(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => self.heard.extend_from_slice(&piece[..read]),
        }
        let mut is_answered = false;
        while let Some((kind, flags, payload)) = take(&mut self.heard) {
            match kind {
                PING if flags & ACK == 0 => {
                    self.stream.write_all(&frame(PING, ACK, 0, &payload))?;
                }
                GOAWAY => return Err(ErrorKind::ConnectionAborted.into()),
                kind => is_answered |= kind == HEADERS,
            }
        }
        Ok(is_answered)
    }
}

/// Each waits for one answer after the other, which a busy machine takes its time for.
const THREADS: usize = 32;
/// Between two looks at all of them.
const TURN: Duration = Duration::from_secs(2);
/// The door waits for two minutes.
const AGAIN: Duration = Duration::from_secs(80);
const WINDOW: u32 = 65_535;
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(20);
