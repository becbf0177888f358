//! How a connection ended, by the word of one of its two ends instead of what was seen.

use crate::catalogue::Kind;
use crate::fact::{Detail, Fact};
use crate::field::Field;
use crate::place::Side;
use crate::story::{Broken, Source, Step};

/// What has become of a connection.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is open.
    Open,
    /// Its handshake is over, and by what.
    Over(Verdict),
    /// It had been let in, and has ended since.
    Ended {
        /// When, in microseconds since 1970.
        at: u64,
        /// By what.
        why: Verdict,
    },
    /// One packet was dropped, which is the end of nothing else.
    Dropped {
        /// Which one.
        what: Dropped,
        /// Why.
        why: Verdict,
    },
    /// The client that tells it turned away from its server. Without mends of its own it has those of what was seen.
    Declined(Verdict),
    /// The client that tells it went on in order to look, and does not believe what the server showed.
    Distrusted(Verdict),
}

/// Which packets are dropped, as far as their count tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Of somebody who has no session.
    Strangers,
    /// Of whomever: of sessions or not.
    Any,
    /// In the name of a session: of its control channel or its tunnel.
    Sessions,
    /// Of the control channel, in a handshake or in a session.
    Control,
    /// Of the tunnel of an open session.
    Data,
    /// On the gateway's own side: to a client, or into its machine.
    Own,
    /// None: connections waited.
    Waiting,
}

impl Dropped {
    /// The step that tells it.
    pub(crate) fn fact(self, at: u64, why: &Verdict) -> Fact {
        let fields = vec![Field::text("why", &why.sentence), Field::text("reason", &why.code)];
        let from = if self == Dropped::Own { Side::Server } else { Side::Client };
        Fact {
            at,
            from,
            kind: self.kind(),
            fields,
            basis: Vec::new(),
            key: None,
            handshake: 0,
            source: Source::Judged,
            detail: Detail::None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Dropped::Strangers => Kind::StrangersPacketDropped,
            Dropped::Any => Kind::PacketDropped,
            Dropped::Sessions => Kind::SessionsPacketDropped,
            Dropped::Control => Kind::ControlPacketDropped,
            Dropped::Data => Kind::DataPacketDropped,
            Dropped::Own => Kind::OwnPacketDropped,
            Dropped::Waiting => Kind::ConnectionsWaited,
        }
    }
}

/// Why a connection is over, as its gateway says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// As in log, status and metrics.
    pub code: String,
    /// Whose decision it was; nobody's where one side is silent.
    pub by: Option<Side>,
    /// The steps that it follows on: the last one of them that there is.
    pub after: &'static [Kind],
    /// As in log and status.
    pub sentence: String,
    /// What to do, the likeliest first.
    pub mends: Vec<String>,
}

impl Verdict {
    /// The end of a session, as a step behind its last handshake.
    pub(crate) fn end(&self, at: u64, handshake: u32) -> Fact {
        let by = self.by.map_or("nobody", |by| match by {
            Side::Client => "client",
            Side::Server => "gateway",
        });
        let fields = vec![
            Field::text("reason", &self.code),
            Field::text("ended_by", by),
            Field::text("why", &self.sentence),
        ];
        Fact {
            at,
            // Whoever decided it; where nobody did, the gateway noticed it.
            from: self.by.unwrap_or(Side::Server),
            kind: Kind::SessionEnded,
            fields,
            basis: Vec::new(),
            key: None,
            handshake,
            source: Source::Judged,
            detail: Detail::None,
        }
    }

    pub(crate) fn broken(&self, steps: &[Step]) -> Broken {
        self.at(steps, self.after)
    }

    /// At the step that tells the end of what had been open.
    pub(crate) fn ended(&self, steps: &[Step]) -> Broken {
        self.at(steps, &[Kind::SessionEnded])
    }

    fn at(&self, steps: &[Step], after: &[Kind]) -> Broken {
        let follows = |step: &&Step| after.iter().any(|kind| kind.entry().name == step.entry);
        let at = steps.iter().rfind(follows).or(steps.last());
        Broken {
            code: self.code.clone(),
            by: self.by,
            at_step: at.map(|step| step.number),
            sentence: self.sentence.clone(),
            mends: self.mends.clone(),
        }
    }
}
