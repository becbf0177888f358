//! Requests at a steady pace, and how each fared.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sysio::Netns;

use super::{Client, request};

/// Requests, more than a thousand a second where the machine allows, most of them over connections that stay for a while.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    told: Arc<Told>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Told {
    done: AtomicU64,
    connections: AtomicU64,
    slowest: AtomicU64,
    failed: Mutex<Vec<String>>,
    /// What the first request of the youngest connection was answered with.
    last_first: Mutex<Option<String>>,
}

impl Load {
    /// By all askers.
    pub(crate) fn start(netns: &Netns, client: &Client, name: &'static str) -> Self {
        Self::start_by(ASKERS, netns, client, name)
    }

    /// By so many of them: each asks a hundred times a second.
    pub(crate) fn start_by(
        askers: usize,
        netns: &Netns,
        client: &Client,
        name: &'static str,
    ) -> Self {
        let (over, told) = (Arc::<AtomicBool>::default(), Arc::<Told>::default());
        let one = |number: usize| {
            let (over, told, client) = (Arc::clone(&over), Arc::clone(&told), client.clone());
            let asks = move || {
                let mut pace = Pace(Instant::now());
                while !over.load(Ordering::Relaxed) {
                    if let Err(why) = told.a_connection(&client, name, &mut pace, &over) {
                        told.failed.lock().expect("whole").push(why.to_string());
                    }
                }
            };
            netns.spawn_thread(&format!("load-{number}"), asks).expect("a thread")
        };
        let threads = (0..askers).map(one).collect();
        Self { over, told, threads }
    }

    pub(crate) fn done(&self) -> u64 {
        self.told.done.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> Vec<String> {
        self.told.failed.lock().expect("whole").clone()
    }

    pub(crate) fn last_first(&self) -> Option<String> {
        self.told.last_first.lock().expect("whole").clone()
    }

    pub(crate) fn end(self) -> (Vec<String>, u64, Duration) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let slowest = Duration::from_micros(self.told.slowest.load(Ordering::Relaxed));
        let failed = self.told.failed.lock().expect("whole").clone();
        (failed, self.told.connections.load(Ordering::Relaxed), slowest)
    }
}

impl Told {
    /// Fifty requests at the pace of one asker.
    fn a_connection(
        &self,
        client: &Client,
        name: &str,
        pace: &mut Pace,
        over: &AtomicBool,
    ) -> io::Result<()> {
        let mut stream = client.connect(name)?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        for number in 0..50 {
            let begun = Instant::now();
            let answer = request(&mut stream, name)?;
            let took = begun.elapsed();
            self.slowest.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
            self.done.fetch_add(1, Ordering::Relaxed);
            if number == 0 {
                *self.last_first.lock().expect("whole") = Some(answer);
            }
            if over.load(Ordering::Relaxed) {
                break;
            }
            pace.wait();
        }
        Ok(())
    }
}

/// When an asker's next request is due.
struct Pace(Instant);

impl Pace {
    /// What was slow is made up for, up to a second of it.
    fn wait(&mut self) {
        let now = Instant::now();
        self.0 = (self.0 + EACH).max(now.checked_sub(MADE_UP).unwrap_or(now));
        thread::sleep(self.0.saturating_duration_since(now));
    }
}

/// A tenth and more beyond a thousand a second.
const ASKERS: usize = 12;
const EACH: Duration = Duration::from_millis(10);
const MADE_UP: Duration = Duration::from_secs(1);
