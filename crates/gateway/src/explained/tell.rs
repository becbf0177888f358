//! The stories of what was kept, for whoever asks by a number, a device or a reason.

use std::sync::Arc;

use admin::names::DeviceName;
use admin::response::{RefusalEntry, Session};
use engine::LastFrom;
use explain::Side;
use explain::kept::{Kept, Lack, Meeting, OpenSession, Outcome, Verdict};
use explain::story::{Judgement, Protocol, Stories, Story, VERSION};

use super::knocks::Counted;
use super::{Explained, Refusal, asked_records, drops};
use crate::config::Keep;

/// What a story is of, for whoever reads in the events what was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `refusal 4`, `session 7`, or the reason of packets that were dropped.
    pub(crate) name: String,
    /// Why it was refused or ended, where it was.
    pub(crate) reason: Option<String>,
    /// Whose it is, where that is known.
    pub(crate) device: Option<DeviceName>,
}

impl Subject {
    fn of(Refusal { entry, since, .. }: &Refusal) -> Self {
        let what = if since.is_some() { "end" } else { "refusal" };
        Self {
            name: format!("{what} {}", entry.number),
            reason: Some(entry.reason.clone()),
            device: entry.device.clone(),
        }
    }
}

/// Who judges, in stories.
const US: &str = "the gateway";

impl Explained {
    /// The refusal of this number, or the last one.
    pub(crate) fn refusal(&self, number: Option<u64>) -> Option<(Subject, Stories)> {
        let refusal = self.book().refusal(number).cloned()?;
        Some((Subject::of(&refusal), one(self.story_of(&refusal))))
    }

    /// The last refusal for this reason.
    pub(crate) fn refusal_for(&self, reason: &str) -> Option<(Subject, Stories)> {
        let refusal = self.book().refusal_for(reason).cloned()?;
        Some((Subject::of(&refusal), one(self.story_of(&refusal))))
    }

    fn story_of(&self, refusal: &Refusal) -> Story {
        let kept = match &refusal.kept {
            Ok(kept) => Ok(Arc::clone(kept)),
            Err(lack) => self.kept(refusal.connection, *lack),
        };
        let whom = match (&refusal.entry.device, refusal.verdict.by) {
            (Some(device), Some(Side::Server)) => format!("refused {device}"),
            (None, Some(Side::Server)) => "refused a client that it does not know".to_owned(),
            (Some(device), Some(Side::Client)) => format!("{device} broke it off"),
            (None, Some(Side::Client)) => "the client broke it off".to_owned(),
            (Some(device), None) => format!("given up on {device}"),
            (None, None) => "given up on a client that it does not know".to_owned(),
        };
        let (code, number) = (&refusal.entry.reason, refusal.entry.number);
        let is_behind = is_behind_the_handshake(&refusal.verdict, kept.as_deref());
        let sentence = match refusal.since {
            Some(_) => ended(refusal),
            None if is_behind => closed_behind(refusal),
            None => format!("{whom}: {code}{}", again(number)),
        };
        let judged = [sentence].into_iter().chain(clock_of(refusal));
        let device = refusal.entry.device.as_ref();
        let known = device.map_or(Known::Device, |device| self.known(device));
        let why = for_device(&refusal.verdict, device, known);
        let (at, outcome) = match refusal.since {
            Some(since) => (since, Outcome::Ended { at: refusal.at, why }),
            None if is_behind => (refusal.at, Outcome::Ended { at: refusal.at, why }),
            None => (refusal.at, Outcome::Over(why)),
        };
        Meeting {
            protocol: refusal.protocol,
            transport: refusal.transport,
            client: refusal.entry.source.to_string(),
            server: refusal.server.clone().unwrap_or_else(|| US.to_owned()),
            at,
            renewed: refusal.renewed,
            kept: kept.as_deref().map_err(|lack| *lack),
            judgements: judged.map(|sentence| Judgement { by: US.to_owned(), sentence }).collect(),
            records: Some(asked_records::of(refusal, is_behind)),
            keys: Vec::new(),
            outcome,
        }
        .story()
    }

    /// Every reason of which there is a refusal or an end to tell.
    pub(crate) fn reasons(&self) -> Vec<String> {
        self.book().reasons().into_iter().collect()
    }

    /// Packets that were dropped for this reason, if any were, and where the last one seems to come from.
    pub(crate) fn drops(
        &self,
        code: &str,
        counted: u64,
        last: Option<LastFrom>,
        at: u64,
    ) -> Option<Stories> {
        let outcome = drops::outcome(code).filter(|_| counted > 0)?;
        let source = match last {
            None => String::new(),
            Some(LastFrom { source, over_tcp: true, .. }) => {
                format!(
                    "; the last that was looked at closely came over TCP from {source}, and its connection was closed"
                )
            }
            Some(LastFrom { source, over_tcp: false, .. }) => {
                format!(
                    "; the last that was looked at closely came over UDP with the source {source}, which anybody may have written"
                )
            }
        };
        let sentence = format!("{}: {counted}{source}", drops::counted(&outcome));
        let meeting = Meeting {
            protocol: Protocol::OpenVpn,
            transport: drops::transport(code, last),
            client: "somebody".to_owned(),
            server: US.to_owned(),
            at,
            renewed: None,
            kept: Err(Lack::Dropped),
            judgements: vec![Judgement { by: US.to_owned(), sentence }],
            records: None,
            keys: Vec::new(),
            outcome,
        };
        Some(one(meeting.story()))
    }

    /// Whether packets of clients arrive, and answers come back to them, as far as that is counted.
    pub(crate) fn knocks(counted: &Counted<'_>, at: u64) -> Stories {
        let judgements = counted
            .sentences()
            .into_iter()
            .map(|sentence| Judgement { by: US.to_owned(), sentence });
        let meeting = Meeting {
            protocol: Protocol::OpenVpn,
            transport: "udp",
            client: "somebody".to_owned(),
            server: US.to_owned(),
            at,
            renewed: None,
            kept: Err(counted.lack()),
            judgements: judgements.collect(),
            records: None,
            keys: Vec::new(),
            outcome: Outcome::Over(counted.verdict()),
        };
        one(meeting.story())
    }

    /// An open session's, with its keys as they are, and what there is `besides` it of the same device.
    pub(crate) fn session(
        &self,
        session: &Session,
        open: OpenSession,
        besides: Option<&str>,
    ) -> Story {
        let kept = self.kept(Some(session.id), Lack::OnlyFailures);
        let whom = session.device.as_ref().map_or_else(String::new, |device| format!(" {device}"));
        let with = session.serial.as_ref();
        let with = with.map_or_else(String::new, |serial| format!(" with certificate {serial}"));
        let sentence = format!("let in{whom}{with}; the session is number {}", session.id);
        let carried = format!(
            "it has carried {} bytes from the client and {} to it until this moment",
            session.bytes_in, session.bytes_out
        );
        // Between the making of its first key and the letting in there are a few microseconds.
        let made = open.keys.iter().filter_map(|key| key.made);
        let began = made.chain([open.since]).min().unwrap_or(open.since);
        let besides = besides.map(str::to_owned);
        let judged = [sentence, carried].into_iter().chain(besides).chain(open.rules);
        let records = session.serial.as_ref().map(|_| asked_records::of_an_open_session());
        Meeting {
            protocol: open.protocol,
            transport: session.transport.word(),
            client: session.source.to_string(),
            server: session.local.map_or_else(|| US.to_owned(), |local| local.to_string()),
            at: began,
            renewed: open.renewed,
            kept: kept.as_deref().map_err(|lack| *lack),
            judgements: judged.map(|sentence| Judgement { by: US.to_owned(), sentence }).collect(),
            records,
            keys: open.keys,
            outcome: Outcome::Open,
        }
        .story()
    }

    fn kept(&self, connection: Option<u64>, otherwise: Lack) -> Result<Arc<Kept>, Lack> {
        let kept = connection.and_then(|connection| self.book().kept(connection));
        kept.ok_or_else(|| match (self.keep(), otherwise) {
            (Keep::Off, _) => Lack::Off,
            (Keep::All, Lack::OnlyFailures) if self.is_under_way(connection) => Lack::NotThere,
            (Keep::All, Lack::OnlyFailures) => Lack::Before,
            (Keep::Failures | Keep::All, otherwise) => otherwise,
        })
    }

    /// Whether something will be kept of it once its handshake is over.
    fn is_under_way(&self, connection: Option<u64>) -> bool {
        connection.is_some_and(|connection| self.book().is_begun(connection))
    }
}

/// Who ended a session, in the words of the log.
fn ended(end: &Refusal) -> String {
    let device = end.entry.device.as_ref();
    let whose = device.map_or_else(String::new, |device| format!(" of {device}"));
    let RefusalEntry { reason, number, .. } = &end.entry;
    let how = match end.verdict.by {
        Some(Side::Server) => format!("let in, and ended the session{whose} later"),
        Some(Side::Client) => format!("the client ended the session{whose}"),
        None => format!("the session{whose} ended"),
    };
    format!("{how}: {reason}{}", again(*number))
}

/// By which command this very one is told.
fn again(number: u64) -> String {
    format!(" (`handfast explain failure {number}` tells this one again)")
}

/// Whether the gateway gave up a connection whose handshake went well, for a reason that has no part in that.
fn is_behind_the_handshake(why: &Verdict, kept: Result<&Kept, &Lack>) -> bool {
    let by_us = why.by == Some(Side::Server) && why.after.is_empty();
    by_us && kept.is_ok_and(Kept::is_complete)
}

fn closed_behind(refusal: &Refusal) -> String {
    let whom =
        refusal.entry.device.as_ref().map_or_else(String::new, |device| format!(" with {device}"));
    let RefusalEntry { reason, number, .. } = &refusal.entry;
    format!(
        "the handshake{whom} went well, and it closed the connection behind that: {reason}{}",
        again(*number)
    )
}

/// By which clock a time was judged.
fn clock_of(refusal: &Refusal) -> Option<String> {
    let judged =
        matches!(refusal.verdict.code.as_str(), "expired" | "not_yet_valid" | "ca_expired");
    let at = refusal.entry.at.whole_second();
    judged.then(|| format!("its own clock said {at}, and by that it judged the certificate"))
}

/// With the device's name in the commands that need one, where it is known. Whoever was removed is to be added before.
fn for_device(verdict: &Verdict, device: Option<&DeviceName>, known: Known) -> Verdict {
    let Some(device) = device else { return verdict.clone() };
    let renew = format!("`handfast profile {device} --renew`");
    let anew = match known {
        Known::Device => renew.clone(),
        // A user comes with that one.
        Known::Nothing if device.device == names::DeviceName::default_device() => {
            format!("`handfast user add {}`, then `handfast profile {device}`", device.user)
        }
        Known::Nothing => format!(
            "`handfast user add {}` and `handfast device add {device}`, then `handfast profile {device}`",
            device.user
        ),
        Known::User => format!("`handfast device add {device}`, then `handfast profile {device}`"),
    };
    let named = |mend: &String| {
        mend.replace("USER/DEVICE", &device.to_string())
            .replace(" enable USER`", &format!(" enable {}`", device.user))
            .replace(&renew, &anew)
    };
    Verdict { mends: verdict.mends.iter().map(named).collect(), ..verdict.clone() }
}

/// What of a device's name is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The device.
    Device,
    /// Its user, who has it no longer.
    User,
    /// Neither.
    Nothing,
}

/// One story, in the form in which all are given.
pub(crate) fn one(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explained::last::tests::refusal;

    #[test]
    fn whoever_looks_at_a_refusal_is_noted_with_its_number_and_whose_it_was() {
        let alice = refusal(1, Some("alice/default"), "revoked", 1);
        let subject = Subject::of(&alice);
        assert_eq!(subject.name, "refusal 0");
        assert_eq!(subject.reason.as_deref(), Some("revoked"));
        assert_eq!(
            subject.device.map(|device| device.to_string()).as_deref(),
            Some("alice/default")
        );
        let ended = Subject::of(&Refusal { since: Some(1), ..alice });
        assert_eq!(ended.name, "end 0");
    }

    #[test]
    fn whoever_was_removed_is_added_before_there_is_a_new_profile() {
        let revoked = Verdict {
            code: "revoked".to_owned(),
            by: Some(Side::Server),
            after: &[],
            sentence: String::new(),
            mends: vec!["Issue it: `handfast profile USER/DEVICE --renew`.".to_owned()],
        };
        let mended = |name: &str, known| {
            let device = DeviceName::parse(name).expect("a name");
            for_device(&revoked, Some(&device), known).mends.concat()
        };
        let of = mended("carl", Known::Device);
        assert_eq!(of, "Issue it: `handfast profile carl/default --renew`.");
        let of = mended("carl", Known::Nothing);
        assert_eq!(of, "Issue it: `handfast user add carl`, then `handfast profile carl/default`.");
        let of = mended("carl/phone", Known::User);
        assert!(of.contains("`handfast device add carl/phone`, then"), "{of}");
        let of = mended("carl/phone", Known::Nothing);
        assert!(of.contains("`handfast user add carl` and `handfast device add carl/phone`"));
    }
}
