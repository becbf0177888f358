//! Waiting for many file descriptors at once: epoll, and an eventfd to be woken by.
//!
//! Level-triggered: what is not drained is reported again. The loop of a worker:
//!
//! 1. [`Poller::add`] each descriptor under a token of the caller's choice;
//! 2. [`Poller::wait`] until the next deadline;
//! 3. serve what is ready; a [`Ready::Woken`] means that somebody called [`Waker::wake`];
//! 4. go on with 2.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read.
    Readable,
    /// Something can be written.
    Writable,
    /// Either.
    Both,
}

/// One thing that [`Poller::wait`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The descriptor under this token can be served. An error or a hang-up counts as both, since
    /// only the call that follows can tell which it was.
    Fd {
        /// The token it was added under.
        token: u32,
        /// Reading will not block.
        readable: bool,
        /// Writing will not block.
        writable: bool,
    },
    /// A [`Waker`] was used since the last wait. Many wakes may be reported as one.
    Woken,
}

/// A set of descriptors that one thread waits for.
pub struct Poller {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE_TOKEN), EventFlags::IN)?;
        Ok(Self { epoll, wake })
    }

    /// Adds a descriptor. It must be removed before it is closed if it was duplicated.
    pub fn add(&self, fd: impl AsFd, token: u32, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.into()), flags(interest))?)
    }

    /// Changes what a descriptor is waited for.
    pub fn modify(&self, fd: impl AsFd, token: u32, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token.into()), flags(interest))?)
    }

    /// Takes a descriptor out of the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// A handle that ends a wait from any thread.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.wake))
    }

    /// Waits until something is ready or `timeout` has passed (`None`: for ever), and writes what
    /// it found into `ready`, which it empties first. A signal ends the wait with nothing ready.
    pub fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        // On the stack: an event may hold a pointer, which would tie the poller to one thread.
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_PER_WAIT];
        let timeout = timeout.map(timespec);
        match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((found, _)) => ready.extend(found.iter().map(|event| self.translate(*event))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn translate(&self, event: epoll::Event) -> Ready {
        let (flags, data) = (event.flags, event.data);
        let Ok(token) = u32::try_from(data.u64()) else {
            // Only an overflow or an already emptied counter can fail here; both leave it at zero.
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
            return Ready::Woken;
        };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let readable = broken || flags.contains(EventFlags::IN);
        let writable = broken || flags.contains(EventFlags::OUT);
        Ready::Fd { token, readable, writable }
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

/// Ends a [`Poller::wait`] from another thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Makes the present or the next wait report [`Ready::Woken`].
    pub fn wake(&self) {
        // The only failure is a counter at its maximum, and then the wake-up is already pending.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

fn flags(interest: Interest) -> EventFlags {
    match interest {
        Interest::Readable => EventFlags::IN,
        Interest::Writable => EventFlags::OUT,
        Interest::Both => EventFlags::IN | EventFlags::OUT,
    }
}

fn timespec(duration: Duration) -> Timespec {
    let tv_sec = duration.as_secs().min(LONGEST_WAIT_SECS).cast_signed();
    Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() }
}

/// Outside of the range of a caller's `u32` tokens.
const WAKE_TOKEN: u64 = u64::MAX;
const EVENTS_PER_WAIT: usize = 64;
const LONGEST_WAIT_SECS: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_wait_without_events_ends_after_its_timeout() {
        let mut poller = Poller::new().unwrap();
        let mut ready = vec![Ready::Woken];
        poller.wait(&mut ready, Some(Duration::from_millis(5))).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn many_wakes_from_other_threads_are_reported_once() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        std::thread::spawn(move || (0..3).for_each(|_| waker.wake())).join().unwrap();
        let mut ready = Vec::new();
        poller.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [Ready::Woken]);
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn a_descriptor_is_reported_under_its_token_until_it_is_removed() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&near, 7, Interest::Readable).unwrap();
        far.send(b"x").unwrap();
        let mut ready = Vec::new();
        for _ in 0..2 {
            poller.wait(&mut ready, None).unwrap();
            assert_eq!(ready, [Ready::Fd { token: 7, readable: true, writable: false }]);
        }
        poller.remove(&near).unwrap();
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }
}
