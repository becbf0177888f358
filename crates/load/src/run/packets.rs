//! Packets through sessions that are up: requests out, answers counted.
//!
//! Each session has its turn with a batch that leaves in one send. Between two batches everything
//! that came is taken, so that answers are not lost here for want of a reader.
//!
//! Without a rate the answers set the pace: so many requests are under way and no more, and what was
//! not answered for a while is given up. A flood would measure nothing but full queues.

use std::time::Duration;

use client::echo;

use crate::{LoadError, PacketFigures};

use super::{Load, PacketSettings};

impl Load<'_> {
    /// One size, through every session in turn.
    pub(super) fn packets(
        &mut self,
        size: u16,
        settings: &PacketSettings,
    ) -> Result<PacketFigures, LoadError> {
        let mut requests = self.requests(size, settings)?;
        (self.size, self.answered) = (size, 0);
        let began = self.clock.now().boot;
        let (mut sent, sessions) = (0, requests.len());
        let mut window = Window::default();
        let mut next = 0;
        loop {
            let now = self.clock.now().boot;
            if now >= began + settings.time || requests.is_empty() {
                break;
            }
            let due = match settings.rate {
                None => window.room(sent, self.answered, now).min(BATCH),
                Some(rate) => {
                    let by_now = (now - began).as_secs_f64() * f64::from(rate);
                    (by_now as u64).saturating_sub(sent).min(BATCH)
                }
            };
            if due > 0 {
                next %= requests.len();
                match self.send(&requests[next], due) {
                    Some(count) => {
                        sent += count;
                        next += 1;
                    }
                    None => drop(requests.swap_remove(next)),
                }
            }
            let pause = if due == BATCH { Duration::ZERO } else { PAUSE };
            self.turn(now + pause)?;
        }
        let seconds = (self.clock.now().boot - began).as_secs_f64();
        self.turns(began + settings.time + LATE)?;
        Ok(PacketFigures::new(size, seconds, sessions, sent, self.answered))
    }

    /// What each session sends.
    fn requests(
        &self,
        size: u16,
        settings: &PacketSettings,
    ) -> Result<Vec<(usize, Vec<u8>)>, LoadError> {
        let up = self.links.iter().enumerate().filter_map(|(number, link)| {
            let link = link.as_ref().filter(|link| link.is_up())?;
            let (own, gateway) = link.addresses();
            Some((number, echo::request(own?, settings.to.or(gateway)?, size)))
        });
        let requests: Vec<_> = up.collect();
        if requests.is_empty() { Err(LoadError::NoDestination) } else { Ok(requests) }
    }

    /// A batch of one session; `None` once it is over.
    fn send(&mut self, (number, request): &(usize, Vec<u8>), count: u64) -> Option<u64> {
        let now = self.clock.now();
        let link = self.links.get_mut(*number)?.as_mut()?;
        let mut sent = 0;
        while sent < count && link.seal(request, &mut self.outbox, now) {
            sent += 1;
        }
        self.flush();
        Some(sent)
    }
}

/// What is under way while answers set the pace.
#[derive(Default)]
struct Window {
    answered: u64,
    at: Duration,
    given_up: u64,
}

impl Window {
    /// How many more may leave.
    fn room(&mut self, sent: u64, answered: u64, now: Duration) -> u64 {
        if answered != self.answered {
            (self.answered, self.at) = (answered, now);
        }
        let under_way = sent.saturating_sub(answered + self.given_up);
        if now >= self.at + GIVEN_UP {
            (self.at, self.given_up) = (now, self.given_up + under_way);
            return UNDER_WAY;
        }
        UNDER_WAY.saturating_sub(under_way)
    }
}

/// Requests under way: what the socket buffers of a stock server hold of small ones.
const UNDER_WAY: u64 = 256;
/// What was not answered for so long is lost.
const GIVEN_UP: Duration = Duration::from_millis(50);
/// Packets in one send; at 1,300 bytes they are 40 % more than a datagram holds, and leave in two.
const BATCH: u64 = 64;
/// Between two looks at a rate.
const PAUSE: Duration = Duration::from_micros(500);
/// How long answers are waited for.
const LATE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_open_the_window_and_silence_gives_up_what_was_lost() {
        let mut window = Window::default();
        let at = Duration::from_millis;
        assert_eq!(window.room(0, 0, at(1000)), UNDER_WAY);
        assert_eq!(window.room(UNDER_WAY, 0, at(1001)), 0);
        assert_eq!(window.room(UNDER_WAY, 100, at(1002)), 100);
        assert_eq!(window.room(UNDER_WAY + 100, 100, at(1051)), 0);
        assert_eq!(window.room(UNDER_WAY + 100, 100, at(1052)), UNDER_WAY);
        assert_eq!(window.room(UNDER_WAY + 101, 101, at(1053)), UNDER_WAY);
    }
}
