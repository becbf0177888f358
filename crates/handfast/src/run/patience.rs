//! Work that lasts longer than a second says so, where somebody looks on.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// As long as this value lives, work goes on. It writes to stderr, on a terminal alone, and leaves nothing
/// behind.
#[derive(Debug)]
pub(crate) struct Patience {
    done: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Patience {
    /// From here on.
    pub(crate) fn start(what: &'static str) -> Self {
        if !io::stderr().is_terminal() {
            return Self { done: None, teller: None };
        }
        let (done, over) = channel::<()>();
        let begun = Instant::now();
        let teller = std::thread::spawn(move || {
            let mut told = false;
            while over.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout) {
                told = true;
                tell(&format!("\r{what}, {} s ", begun.elapsed().as_secs()));
            }
            if told {
                tell("\r\x1b[K");
            }
        });
        Self { done: Some(done), teller: Some(teller) }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
    }
}

fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

const SECOND: Duration = Duration::from_secs(1);
