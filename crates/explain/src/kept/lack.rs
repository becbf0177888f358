//! Why a part of a connection is not known to its gateway: a gap that stands in a story with its reason.

use crate::catalogue::{Chapter, Kind};
use crate::fact::{Detail, Fact};
use crate::field::Field;
use crate::place::Side;
use crate::story::Source;

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It comes before a gateway keeps anything of anybody.
    Stateless,
    /// The settings say so.
    Off,
    /// It went well, and only those are kept that don't.
    OnlyFailures,
    /// The settings say so since later.
    Before,
    /// It is a renewal, and the settings say so since later than the session's first handshake.
    RenewedBefore,
    /// It is a renewal before the last one.
    Renewals,
    /// It is longer than what is kept of one.
    TooLong,
    /// TLS ends behind the gateway, which reads the client's first message.
    PassedOn,
    /// It is what is said inside TLS.
    Inside,
    /// There was no whole first message of TLS, or no time to read it.
    NoMessage,
    /// Packets that are dropped without an answer are counted and not kept.
    Dropped,
    /// What is lost on its way leaves nothing.
    Unheard,
    /// It was pushed out by later ones, or is not over yet.
    NotThere,
}

impl Lack {
    /// As a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Lack::Stateless => {
                "knock and answer: a gateway keeps nothing for a stranger before its number has come back"
            }
            Lack::Off => "explain.keep is off, or was at that time",
            Lack::OnlyFailures => {
                "explain.keep is failures, and this handshake went well; with all it would be here"
            }
            Lack::Before => {
                "this handshake was over before explain.keep became all, or is not over yet"
            }
            Lack::RenewedBefore => {
                "its keys were renewed, and a renewal is kept behind a first handshake that is kept: this session's was over before explain.keep became all"
            }
            Lack::Renewals => "of renewals the last one is kept, and the session's first handshake",
            Lack::TooLong => "more was said than the 32 KiB that are kept of one connection",
            Lack::PassedOn => {
                "TLS ends at the service behind the gateway, which reads the client's first message and can't open what follows"
            }
            Lack::Inside => {
                "what is said inside TLS after the handshake goes to the service that was asked for, and none of it is kept"
            }
            Lack::NoMessage => {
                "no whole first message of TLS came, or too many were refused in that second for it to be read"
            }
            Lack::Dropped => {
                "packets that are dropped without an answer are counted; nothing else is kept of them but where the last one seems to come from"
            }
            Lack::Unheard => {
                "what is lost on its way leaves nothing here; what arrives raises a count, and of its sender nothing is kept"
            }
            Lack::NotThere => {
                "the handshake is not over yet, later ones took its place, or too many failed in that second"
            }
        }
    }

    pub(super) fn fact(self, at: u64) -> Fact {
        self.gap(Side::Client, at, self.is_of_both())
    }

    /// The same of what one side said.
    pub(super) fn of(self, from: Side, at: u64) -> Fact {
        self.gap(from, at, false)
    }

    /// Why the renewals of a session are not there of whose first handshake this holds.
    pub(super) fn of_its_renewals(self, at: u64) -> Fact {
        let why = if self == Lack::Before { Lack::RenewedBefore } else { self };
        let mut gap = why.fact(at);
        gap.detail = Detail::unkept(Some(Chapter::Keys), true);
        gap
    }

    fn gap(self, from: Side, at: u64, both_ways: bool) -> Fact {
        Fact {
            at,
            from,
            kind: if self == Lack::Unheard { Kind::NotHeard } else { Kind::NotKept },
            fields: vec![Field::text("why", self.sentence())],
            basis: Vec::new(),
            key: None,
            handshake: 0,
            source: Source::Gap,
            detail: Detail::unkept(self.chapter(), both_ways),
        }
    }

    /// Whether what both sides said is missing, and not the client's words alone.
    fn is_of_both(self) -> bool {
        match self {
            Lack::Dropped | Lack::Unheard | Lack::NoMessage => false,
            Lack::Stateless
            | Lack::Off
            | Lack::OnlyFailures
            | Lack::Before
            | Lack::RenewedBefore
            | Lack::Renewals
            | Lack::TooLong
            | Lack::PassedOn
            | Lack::Inside
            | Lack::NotThere => true,
        }
    }

    /// The part of a story that it stands in; nothing where that is whichever it interrupts.
    fn chapter(self) -> Option<Chapter> {
        match self {
            Lack::Stateless | Lack::Dropped | Lack::Unheard => Some(Chapter::Knock),
            Lack::Renewals | Lack::RenewedBefore => Some(Chapter::Keys),
            Lack::Inside => Some(Chapter::Data),
            Lack::Off
            | Lack::OnlyFailures
            | Lack::Before
            | Lack::TooLong
            | Lack::PassedOn
            | Lack::NoMessage
            | Lack::NotThere => None,
        }
    }
}
