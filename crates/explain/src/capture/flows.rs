//! All conversations of a capture, told apart by their addresses.
//!
//! The number that is followed is bounded. One that is over becomes its story, and its decoder is let go.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Known;
use super::conversation::{Ends, OverTcp, OverUdp, Reading};
use super::endpoint::Endpoint;
use super::frames::Frame;
use super::layers::{Carried, Carrier, Unread, carried, unread};
use crate::openvpn::{Opened, Session, TunnelPacket};
use crate::place::{Chunk, Side};
use crate::story::{LeftOut, Stories, Story, VERSION};

/// The most conversations that are followed, and told.
const MOST_CONVERSATIONS: usize = 16;
/// The most that are remembered as neither TLS nor OpenVPN.
pub(super) const MOST_OTHERS: usize = 4_096;

const TOO_MANY: &str = "more conversations than are told of one file";
const NEITHER: &str = "neither TLS nor OpenVPN from its first byte";
const ELSEWHERE: &str = "neither end is the one that was asked for";
const IN_PIECES: &str = "pieces of IP packets (fragments), which are not put together here, so that what they carried counts as missing; frames";
const BEHEADED: &str = "cut by the capture before their ports, so that nobody can tell whose they are (capture with a larger snapshot length, as by tcpdump -s 0); frames";
const COPIES: &str = "the same packet again within moments, as where it was captured on another interface too; packets";
const CUT_SHORT: &str = "cut by the capture before it shows what it speaks (capture with a larger snapshot length, as by tcpdump -s 0)";
const BEGAN_BEFORE: &str = "it began before the capture did";

/// Both addresses, the lower first, and whether it is TCP.
pub(super) type Pair = (SocketAddr, SocketAddr, bool);

pub(super) struct Flows {
    reading: Reading,
    /// The end that was asked for, and whether anything had it.
    only: Option<Endpoint>,
    found: bool,
    udp: BTreeMap<Pair, (SocketAddr, OverUdp)>,
    tcp: BTreeMap<Pair, (SocketAddr, OverTcp)>,
    others: BTreeMap<Pair, &'static str>,
    stories: Vec<Story>,
    uncounted: u64,
    /// The time of the latest frame.
    until: u64,
    /// Frames with a piece of a packet.
    pieces: u64,
    /// Frames without the ports that they had.
    beheaded: u64,
    /// Datagrams that came again at once.
    copies: u64,
    opened: Vec<TunnelPacket>,
    counts: Opened,
}

impl Flows {
    /// `opening` opens data packets of tunnels too.
    pub(super) fn new(known: Known, only: Option<Endpoint>, opening: bool) -> Self {
        Self {
            reading: Reading { known, opening },
            only,
            found: false,
            udp: BTreeMap::new(),
            tcp: BTreeMap::new(),
            others: BTreeMap::new(),
            stories: Vec::new(),
            uncounted: 0,
            until: 0,
            pieces: 0,
            beheaded: 0,
            copies: 0,
            opened: Vec::new(),
            counts: Opened::default(),
        }
    }

    /// Data packets that were opened since.
    pub(super) fn take_opened(&mut self) -> Vec<TunnelPacket> {
        std::mem::take(&mut self.opened)
    }

    /// Whether nothing had the end that was asked for.
    pub(super) fn misses_it(&self) -> bool {
        self.only.is_some() && !self.found
    }

    /// What became of all data packets.
    pub(super) fn counts(&self) -> Opened {
        self.counts
    }

    fn keep_opened(&mut self, (packets, counts): (Vec<TunnelPacket>, Opened)) {
        self.opened.extend(packets);
        self.counts.add(counts);
    }

    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
        self.until = self.until.max(frame.at);
        let Some(carried) = carried(frame) else {
            match unread(frame) {
                Some(Unread::Fragment) => self.pieces += 1,
                Some(Unread::Beheaded) => self.beheaded += 1,
                None => {}
            }
            return;
        };
        if self.only.is_some_and(|only| !only.is_of(&carried)) {
            let tcp = carried.kind != Carrier::Udp;
            return self.other(pair(&carried, tcp), ELSEWHERE);
        }
        self.found = true;
        match carried.kind {
            Carrier::Udp => self.datagram(frame, &carried),
            Carrier::Tcp { sequence, acknowledged, syn, fin, rst } => {
                self.tcp_flags(frame.at, &carried, (sequence, acknowledged), syn);
                let sequence = sequence.wrapping_add(u32::from(syn));
                self.segment(frame, &carried, sequence);
                if fin {
                    self.ends(frame.at, &carried, sequence);
                }
                if fin || rst {
                    self.close(&carried, rst);
                }
            }
        }
    }

    fn datagram(&mut self, frame: &Frame<'_>, carried: &Carried<'_>) {
        let pair = pair(carried, false);
        if let Some((_, have)) = self.udp.get_mut(&pair)
            && have.is_over_with(carried.payload)
        {
            have.followed();
            self.finish_udp(&pair);
        }
        if !self.udp.contains_key(&pair) {
            let Some(begins) = Session::begun_by(carried.payload) else {
                let is_part = carried.lacking > 0 && Session::may_begin(carried.payload);
                return self.other(pair, if is_part { CUT_SHORT } else { NEITHER });
            };
            if !self.has_room() {
                return self.other(pair, TOO_MANY);
            }
            self.others.remove(&pair);
            let client = if begins == Side::Client { carried.from } else { carried.to };
            let over = OverUdp::new(ends(carried, client), &self.reading);
            self.udp.insert(pair, (client, over));
        }
        if let Some((client, over)) = self.udp.get_mut(&pair) {
            over.packet(chunk(frame, carried, *client), carried.lacking, carried.way);
            let opened = over.take_opened();
            self.keep_opened(opened);
        }
    }

    /// A connection begins with its first SYN, of whichever side: the other one may not be in the capture.
    fn tcp_flags(
        &mut self,
        at: u64,
        carried: &Carried<'_>,
        (sequence, acknowledged): (u32, Option<u32>),
        syn: bool,
    ) {
        let pair = pair(carried, true);
        if syn && !self.tcp.contains_key(&pair) {
            if !self.has_room() {
                return self.other(pair, TOO_MANY);
            }
            self.others.remove(&pair);
            let client = if acknowledged.is_some() { carried.to } else { carried.from };
            let over = OverTcp::new(ends(carried, client), self.reading.clone());
            self.tcp.insert(pair, (client, over));
        }
        match self.tcp.get_mut(&pair) {
            Some((client, over)) => {
                let side = side(carried.from, *client);
                over.shows(side);
                if syn {
                    over.begin(side, sequence);
                }
                if let Some(next) = acknowledged {
                    // The first says where the other one began; each, what it has sent, of which one number is its end's.
                    over.begin(side.peer(), next.wrapping_sub(1));
                    over.has_sent(side.peer(), next.wrapping_sub(1), at);
                }
            }
            None => self.other(pair, BEGAN_BEFORE),
        }
    }

    fn segment(&mut self, frame: &Frame<'_>, carried: &Carried<'_>, sequence: u32) {
        let pair = pair(carried, true);
        let Some((client, over)) = self.tcp.get_mut(&pair) else { return };
        over.segment(sequence, &chunk(frame, carried, *client), carried.lacking);
        let (is_other, is_cut, opened) = (over.is_other(), over.is_cut(), over.take_opened());
        self.keep_opened(opened);
        if is_other {
            self.tcp.remove(&pair);
            self.other(pair, if is_cut { CUT_SHORT } else { NEITHER });
        }
    }

    /// A FIN stands behind all that its side has sent.
    fn ends(&mut self, at: u64, carried: &Carried<'_>, sequence: u32) {
        let length = (carried.payload.len() as u32).saturating_add(carried.lacking);
        if let Some((client, over)) = self.tcp.get_mut(&pair(carried, true)) {
            over.has_sent(side(carried.from, *client), sequence.wrapping_add(length), at);
        }
    }

    /// A reset ends it; after a FIN the other side may still speak.
    fn close(&mut self, carried: &Carried<'_>, reset: bool) {
        let pair = pair(carried, true);
        if let Some((client, over)) = self.tcp.get_mut(&pair) {
            over.close(side(carried.from, *client), reset);
        }
        if reset {
            self.finish_tcp(&pair);
        }
    }

    fn has_room(&self) -> bool {
        self.udp.len() + self.tcp.len() + self.stories.len() < MOST_CONVERSATIONS
    }

    fn other(&mut self, pair: Pair, why: &'static str) {
        if self.others.len() < MOST_OTHERS {
            self.others.entry(pair).or_insert(why);
        } else if !self.others.contains_key(&pair) {
            self.uncounted += 1;
        }
    }

    fn finish_udp(&mut self, pair: &Pair) {
        let Some((_, over)) = self.udp.remove(pair) else { return };
        self.copies += over.copies();
        self.stories.extend(over.story(self.until));
    }

    fn finish_tcp(&mut self, pair: &Pair) {
        let Some((_, mut over)) = self.tcp.remove(pair) else { return };
        match over.story(self.until) {
            Some(story) => self.stories.push(story),
            None if over.is_cut() => self.other(*pair, CUT_SHORT),
            None => {}
        }
    }

    pub(super) fn finish(mut self) -> Stories {
        let udp: Vec<Pair> = self.udp.keys().copied().collect();
        udp.iter().for_each(|pair| self.finish_udp(pair));
        let tcp: Vec<Pair> = self.tcp.keys().copied().collect();
        tcp.iter().for_each(|pair| self.finish_tcp(pair));
        self.stories.sort_by(|a, b| (a.began, &a.client).cmp(&(b.began, &b.client)));
        Stories { version: VERSION, left_out: self.left_out(), stories: self.stories }
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let count = |why: &str| self.others.values().filter(|have| **have == why).count() as u64;
        let all =
            [NEITHER, CUT_SHORT, BEGAN_BEFORE, TOO_MANY, ELSEWHERE].map(|why| (why, count(why)));
        let more = ("so many that they were not looked at any more; packets", self.uncounted);
        let frames = [(IN_PIECES, self.pieces), (BEHEADED, self.beheaded), (COPIES, self.copies)];
        let all = all.into_iter().chain([more]).chain(frames).filter(|(_, count)| *count > 0);
        all.map(|(reason, count)| LeftOut { reason: reason.to_owned(), count }).collect()
    }
}

pub(super) fn pair(carried: &Carried<'_>, tcp: bool) -> Pair {
    let (from, to) = (carried.from, carried.to);
    if from < to { (from, to, tcp) } else { (to, from, tcp) }
}

fn side(from: SocketAddr, client: SocketAddr) -> Side {
    if from == client { Side::Client } else { Side::Server }
}

fn ends(carried: &Carried<'_>, client: SocketAddr) -> Ends {
    let server = if client == carried.from { carried.to } else { carried.from };
    Ends { client: client.to_string(), server: server.to_string() }
}

fn chunk<'a>(frame: &Frame<'a>, carried: &Carried<'a>, client: SocketAddr) -> Chunk<'a> {
    Chunk {
        at: frame.at,
        from: side(carried.from, client),
        frame: frame.number,
        offset: carried.offset,
        bytes: carried.payload,
    }
}
