//! Visitors of a site that is open to everybody: nobody knows them, they are let in, and each asks for a page now and then
//! over a connection that stays.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sysio::Netns;

use crate::tls_house::{Client, Tls, request};

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
            let (over, here, client) = (Arc::clone(&over), Arc::clone(&here), client.clone());
            let mut part = Part {
                from: from
                    .iter()
                    .copied()
                    .cycle()
                    .skip(number)
                    .step_by(THREADS)
                    .take(count / THREADS)
                    .collect(),
                client,
                site,
                asked: VecDeque::new(),
                here,
            };
            let stay = move || {
                while !over.load(Ordering::Relaxed) {
                    part.turn();
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
    /// Who asked longest ago stands first.
    asked: VecDeque<(Instant, Ipv4Addr, Tls)>,
    here: Arc<AtomicU64>,
}

impl Part {
    /// One asks again, or another one comes. Who gets nothing comes anew.
    fn turn(&mut self) {
        let is_due = |(asked, ..): &mut (Instant, Ipv4Addr, Tls)| asked.elapsed() > AGAIN;
        if let Some((_, at, stream)) = self.asked.pop_front_if(is_due) {
            if !self.asks(at, Ok(stream)) {
                self.here.fetch_sub(1, Ordering::Relaxed);
            }
        } else if let Some(at) = self.from.pop() {
            let stream = self.comes(at);
            if self.asks(at, stream) {
                self.here.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            thread::sleep(PAUSE);
        }
    }

    fn comes(&self, at: Ipv4Addr) -> io::Result<Tls> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((at, 0)).into())?;
        socket.connect_timeout(&self.client.door.into(), PATIENCE)?;
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE))?;
        self.client.over(socket, self.site)
    }

    /// Whether it was answered, and so stays.
    fn asks(&mut self, at: Ipv4Addr, stream: io::Result<Tls>) -> bool {
        let answered = stream.and_then(|mut stream| {
            request(&mut stream, self.site)?;
            Ok(stream)
        });
        match answered {
            Ok(stream) => self.asked.push_back((Instant::now(), at, stream)),
            Err(_) => {
                self.from.insert(0, at);
                thread::sleep(PAUSE);
                return false;
            }
        }
        true
    }
}

const THREADS: usize = 4;
/// The door waits for two minutes.
const AGAIN: Duration = Duration::from_secs(50);
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(20);
