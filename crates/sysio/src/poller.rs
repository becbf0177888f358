//! Waiting for many file descriptors at once: epoll, an eventfd to be woken by, and a timerfd to be woken
//! by soon.
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::Interest as TokioInterest;
use tokio::io::unix::AsyncFd;

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
    wake: Arc<Wake>,
}

struct Wake {
    event: OwnedFd,
    alarm: OwnedFd,
    alarm_is_set: AtomicBool,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        epoll::add(&epoll, &event, EventData::new_u64(WAKE_TOKEN), EventFlags::IN)?;
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM_TOKEN), EventFlags::IN)?;
        let alarm_is_set = AtomicBool::new(false);
        Ok(Self { epoll, wake: Arc::new(Wake { event, alarm, alarm_is_set }) })
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

    /// Lets a task of the present tokio runtime wait for this poller.
    ///
    /// # Panics
    /// Outside of a runtime with I/O.
    #[allow(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    pub fn events(&self) -> io::Result<PollerEvents> {
        let epoll = self.epoll.try_clone()?;
        // SAFETY: the descriptor is valid and open, being an `OwnedFd`, and stays the same one and open,
        // since `PollerEvents` neither gives it away nor replaces it.
        let registered = unsafe { AsyncFd::register_with_interest(epoll, TokioInterest::READABLE) };
        Ok(PollerEvents(registered.map_err(io::Error::from)?))
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
            let counter = if data.u64() == ALARM_TOKEN {
                // Whoever found it set sees what it asked for served from here on.
                self.wake.alarm_is_set.swap(false, Ordering::AcqRel);
                &self.wake.alarm
            } else {
                &self.wake.event
            };
            // Only an overflow or an already emptied counter can fail here; both leave it at zero.
            let _ = rustix::io::read(counter, &mut [0; 8]);
            return Ready::Woken;
        };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let readable = broken || flags.contains(EventFlags::IN);
        let writable = broken || flags.contains(EventFlags::OUT);
        Ready::Fd { token, readable, writable }
    }
}

/// A [`Poller`] that a task waits for.
#[derive(Debug)]
pub struct PollerEvents(AsyncFd<OwnedFd>);

impl PollerEvents {
    /// Calls `serve` once the poller may have found something. It is to [`Poller::wait`] without
    /// patience, and to say whether it served all there was; if not, the next call does not wait.
    /// A call that is given up loses nothing.
    pub async fn when_ready(&self, serve: impl FnOnce() -> bool) -> io::Result<()> {
        let mut events = self.0.readable().await?;
        // What comes from here on is another event, which is not taken for this one.
        if serve() {
            events.clear_ready();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

/// Ends a [`Poller::wait`] from another thread. Cheap to clone.
#[derive(Clone)]
pub struct Waker(Arc<Wake>);

impl Waker {
    /// Makes the present or the next wait report [`Ready::Woken`].
    pub fn wake(&self) {
        // The only failure is a counter at its maximum, and then the wake-up is already pending.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Makes a wait report [`Ready::Woken`] at most this much later. Of several calls before that
    /// the first counts, and only that one costs anything.
    pub fn wake_within(&self, time: Duration) {
        if self.0.alarm_is_set.swap(true, Ordering::AcqRel) {
            return;
        }
        // Nothing at all would unset it.
        let it_value = timespec(time.max(Duration::from_nanos(1)));
        let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value };
        if timerfd_settime(&self.0.alarm, TimerfdTimerFlags::empty(), &once).is_err() {
            self.0.alarm_is_set.store(false, Ordering::Release);
            self.wake();
        }
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waker").field(&self.0.event).finish()
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
const ALARM_TOKEN: u64 = u64::MAX - 1;
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
    fn who_is_woken_within_a_time_is_woken_once_for_all_who_asked() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        let mut ready = Vec::new();
        for _ in 0..2 {
            waker.wake_within(Duration::from_millis(20));
            waker.wake_within(Duration::from_secs(3600));
            poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
            assert!(ready.is_empty());
            poller.wait(&mut ready, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(ready, [Ready::Woken]);
        }
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        waker.wake_within(Duration::ZERO);
        poller.wait(&mut ready, Some(Duration::from_secs(10))).unwrap();
        assert_eq!(ready, [Ready::Woken]);
    }

    #[test]
    fn a_task_misses_no_event_of_a_poller() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut poller = Poller::new().unwrap();
        let wakes = 1000;
        let (step, steps) = std::sync::mpsc::channel();
        let waker = poller.waker();
        let thread = std::thread::spawn(move || {
            (0..wakes).for_each(|_| {
                waker.wake();
                steps.recv().unwrap();
            })
        });
        runtime.block_on(async {
            let events = poller.events().unwrap();
            let mut ready = Vec::new();
            for _ in 0..wakes {
                let serve = || {
                    poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
                    true
                };
                events.when_ready(serve).await.unwrap();
                assert_eq!(ready, [Ready::Woken]);
                step.send(()).unwrap();
            }
        });
        thread.join().unwrap();
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
