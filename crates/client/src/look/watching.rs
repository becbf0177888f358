//! One session with one server, from its first packet to its goodbye, with somebody who watches.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Now};
use tokio::time::timeout;
use tunnel::{Close, EndReason, Event, Session};

use super::data::Errand;
use super::line::Line;
use super::{Echo, HungUp, Watched};

/// The longest wait at a time.
const NAP: Duration = Duration::from_millis(200);
/// More than a control packet, and what a stream gives at once.
const ROOM: usize = 16 * 1024;
/// Of a machine that says that nothing listens there, the first packet and its repetition are enough.
const KNOCKS: u32 = 2;

/// How it ended.
pub(super) enum Over {
    /// The server let us in, and goodbye was said.
    LetIn,
    Ended(EndReason),
    HungUp(HungUp),
    NothingListens,
    /// Nothing came at all.
    Unanswered,
    /// Something came, and not all.
    Stuck,
}

/// What is watched.
pub(super) struct Watching<W> {
    line: Line,
    local: SocketAddr,
    session: Session,
    errand: Option<Errand>,
    clock: Arc<dyn Clock>,
    watch: W,
    heard: bool,
    said: u32,
    let_in: bool,
    left: bool,
    nothing_listens: bool,
    ended: Option<EndReason>,
}

impl<W: FnMut(Watched<'_>) + Send> Watching<W> {
    pub(super) fn new(
        (line, local): (Line, SocketAddr),
        session: Session,
        errand: Option<Errand>,
        clock: Arc<dyn Clock>,
        watch: W,
    ) -> Self {
        Self {
            line,
            local,
            session,
            errand,
            clock,
            watch,
            heard: false,
            said: 0,
            let_in: false,
            left: false,
            nothing_listens: false,
            ended: None,
        }
    }

    pub(super) fn echo(&self) -> Option<Echo> {
        self.errand.as_ref()?.echo()
    }

    /// The tunnel was agreed on, whatever came behind that.
    pub(super) fn was_let_in(&self) -> bool {
        self.let_in
    }

    /// The first answer has so long to come, and the rest so long behind it.
    pub(super) async fn until_the_end(&mut self, first: Duration, rest: Duration) -> Over {
        let mut until = self.clock.now().boot + first;
        loop {
            let now = self.clock.now();
            self.act(now);
            if let Err(error) = self.speak(now).await {
                return self.broken(&error);
            }
            // Behind what is sent: whoever turns away says so in its last packet.
            if self.session.is_ended() {
                return self.ended.take().map_or(Over::LetIn, Over::Ended);
            }
            match now.boot >= until {
                true if self.let_in => return Over::LetIn,
                true if self.heard => return Over::Stuck,
                true if self.nothing_listens => return Over::NothingListens,
                true => return Over::Unanswered,
                false if self.is_turned_away() => return Over::NothingListens,
                false => {}
            }
            let before = self.heard;
            if let Some(over) = self.listen().await {
                return over;
            }
            if self.heard && !before {
                until = self.clock.now().boot + rest;
            }
        }
    }

    fn is_turned_away(&self) -> bool {
        self.nothing_listens && !self.heard && self.said >= KNOCKS
    }

    /// Does what is due, and says goodbye once the server has let us in and all is carried.
    fn act(&mut self, now: Now) {
        self.session.handle_timeout(now);
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::KeyReady(key) => {
                    self.errand.iter_mut().for_each(|errand| errand.take_key(&key));
                    let _ = self.session.key_installed(key.key_id, now);
                }
                Event::Pushed(reply) => {
                    self.errand.iter_mut().for_each(|errand| errand.take_push(&reply));
                }
                Event::Established => {
                    self.let_in = true;
                    match &mut self.errand {
                        Some(errand) => errand.begin(now),
                        None => self.leave(now),
                    }
                }
                Event::Ended(EndReason::Closed(_)) => {}
                Event::Ended(reason) => self.ended = Some(reason),
                _ => {}
            }
        }
        if !self.left && self.errand.as_ref().is_some_and(|errand| errand.is_over(now)) {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Now) {
        self.left = true;
        // A session that has ended by itself needs no goodbye.
        let _ = self.session.close(Close::Exit, now);
    }

    async fn speak(&mut self, now: Now) -> io::Result<()> {
        while let Some(packet) = self.session.poll_transmit(now) {
            self.say(&packet, now).await?;
        }
        let session = &self.session;
        let request = self.errand.as_mut().and_then(|errand| errand.packet(session, now));
        match request {
            Some(request) => self.say(&request, now).await,
            None => Ok(()),
        }
    }

    async fn say(&mut self, packet: &[u8], now: Now) -> io::Result<()> {
        let Some(framed) = self.line.framed(packet) else { return Ok(()) };
        self.said += 1;
        (self.watch)(Watched { ours: true, at: now, local: self.local, bytes: &framed });
        match self.line.say(&framed).await {
            Err(error) if self.line.is_stream() => Err(error),
            // What can't be sent is sent again by the session.
            Err(error) => {
                self.note(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn listen(&mut self) -> Option<Over> {
        let mut room = vec![0; ROOM];
        let nap = self.nap(self.clock.now());
        let Ok(heard) = timeout(nap, self.line.hear(&mut room)).await else { return None };
        match heard {
            Ok(0) if self.line.is_stream() => Some(self.hung_up(HungUp::Closed)),
            Ok(length) => self.take(room.get(..length).unwrap_or_default()),
            Err(error) if self.line.is_stream() => Some(self.broken(&error)),
            Err(error) => {
                self.note(&error);
                None
            }
        }
    }

    fn take(&mut self, heard: &[u8]) -> Option<Over> {
        let now = self.clock.now();
        self.heard = true;
        (self.watch)(Watched { ours: false, at: now, local: self.local, bytes: heard });
        let Some(packets) = self.line.packets(heard) else { return Some(Over::Stuck) };
        for mut packet in packets {
            match self.errand.as_mut().and_then(|errand| errand.open(&mut packet, now)) {
                Some(key_id) => self.session.data_seen(key_id, now),
                // A packet that has no effect is told by whoever watches.
                None => drop(self.session.handle_datagram(&packet, now)),
            }
        }
        None
    }

    fn note(&mut self, error: &io::Error) {
        self.nothing_listens |= error.kind() == io::ErrorKind::ConnectionRefused;
    }

    fn broken(&mut self, error: &io::Error) -> Over {
        let reset = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        self.hung_up(if reset.contains(&error.kind()) { HungUp::Reset } else { HungUp::Closed })
    }

    /// A server that lets us go hangs up as well, and one that refuses, behind what it says.
    fn hung_up(&mut self, how: HungUp) -> Over {
        self.act(self.clock.now());
        match self.ended.take() {
            Some(reason) => Over::Ended(reason),
            None if self.let_in => Over::LetIn,
            None => Over::HungUp(how),
        }
    }

    fn nap(&self, now: Now) -> Duration {
        let session = self.session.poll_timeout().map(|deadline| deadline.at);
        let errand = self.errand.as_ref().filter(|_| !self.left).and_then(Errand::due);
        let due = [session, errand].into_iter().flatten().min();
        let nap = due.map_or(NAP, |due| due.saturating_sub(now.boot));
        nap.clamp(Duration::from_millis(1), NAP)
    }
}
