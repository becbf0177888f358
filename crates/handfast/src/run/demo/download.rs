//! A download that does not end by itself: how much came of it, and when the last of that did.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::{Clock as _, SystemClock, Timestamp};
use sysio::Netns;

use super::limits::unseen;
use super::stop::Stop;

/// One under way.
#[derive(Debug)]
pub(super) struct Download {
    came: Arc<AtomicUsize>,
    thread: JoinHandle<Option<Timestamp>>,
}

impl Download {
    /// Asks whoever is at `from`, as seen in `netns`.
    pub(super) fn start(netns: &Netns, from: SocketAddr) -> Result<Self, Failure> {
        let asked = netns.run(|| ask(from)).map_err(|error| cannot(&error))?;
        let stream = asked.map_err(|error| cannot(&error))?;
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        let thread = std::thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || receive(stream, &count))
            .map_err(|error| cannot(&error))?;
        Ok(Self { came, thread })
    }

    /// Octets so far, the answer's head among them.
    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// Waits until it is broken off, and says when the last of it came; `None` if nothing did.
    pub(super) fn end(self, limit: Duration, stop: &Stop) -> Result<Option<Timestamp>, Failure> {
        let ended = stop.wait_for(limit, || Ok(self.thread.is_finished().then_some(())))?;
        ended.ok_or_else(|| unseen("a download went on"))?;
        self.thread.join().map_err(|_| unseen("a download's thread broke"))
    }
}

fn ask(from: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&from, STALL)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.write_all(b"GET /trickle HTTP/1.1\r\nHost: files.demo.example\r\n\r\n")?;
    Ok(stream)
}

fn receive(mut stream: TcpStream, count: &AtomicUsize) -> Option<Timestamp> {
    let (mut piece, mut last) = ([0; 4096], None);
    while let Ok(len @ 1..) = stream.read(&mut piece) {
        count.fetch_add(len, Ordering::Relaxed);
        last = Some(Timestamp::from_wall(SystemClock.now().wall));
    }
    last
}

fn cannot(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, "a download can't be begun").caused_by(error)
}

const STALL: Duration = Duration::from_secs(10);
