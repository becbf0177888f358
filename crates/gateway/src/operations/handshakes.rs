//! Handshakes of the running gateway, told; the log says who had which told.

use std::cmp::Reverse;

use admin::names::DeviceName;
use admin::request::ExplainTarget;
use admin::response::{Session, Stories as Answer};
use explain::kept::OpenSession;
use explain::story::{LeftOut, Protocol, Stories, VERSION};
use serde_json::{Value, json};
use store::{Actor, EventKind};

use crate::context::Context;
use crate::error::GatewayError;
use crate::explained::knocks::{ANSWERS_LOST, Counted, NOTHING_ARRIVES};
use crate::explained::{Explained, Subject, micros, reason_of};
use crate::operations::common::remotes;

/// What was kept of handshakes.
#[derive(Debug)]
pub(super) struct Handshakes<'a> {
    pub(super) at: &'a Context,
}

impl Handshakes<'_> {
    pub(super) async fn told(
        &self,
        actor: &Actor,
        which: &ExplainTarget,
    ) -> Result<Answer, GatewayError> {
        self.at.running()?;
        let explained = &self.at.explained;
        let told = match which {
            ExplainTarget::LastRefusal => explained.refusal(None),
            ExplainTarget::Refusal { number } => explained.refusal(Some(*number)),
            ExplainTarget::Reason { code } if is_of_knocks(code) => {
                Some((counted(code), self.knocks().await))
            }
            ExplainTarget::Reason { code } => match explained.refusal_for(code) {
                None => self.drops(code).await.map(|stories| (counted(code), stories)),
                refusal => refusal,
            },
            ExplainTarget::Session { id } => self.sessions(|session| session.id == *id).await,
            ExplainTarget::Device { device } => {
                self.sessions(|session| session.device.as_ref() == Some(device)).await
            }
        };
        let (subject, stories) = match told {
            Some(told) => told,
            None => return Err(self.missing(which).await),
        };
        self.note(actor, &subject).await;
        // A story is texts and numbers in maps with texts as keys, which all have a JSON form.
        Ok(Answer(serde_json::to_value(stories).unwrap_or_default()))
    }

    async fn drops(&self, code: &str) -> Option<Stories> {
        let counters = self.at.doors.counters().await;
        let (counted, last) =
            (*counters.drops.get(code)?, counters.drop_sources.get(code).copied());
        self.at.explained.drops(code, counted, last, micros(self.at.clock.now()))
    }

    async fn knocks(&self) -> Stories {
        let counters = self.at.doors.counters().await;
        let policy = self.at.view.policy();
        let counted = Counted {
            knocks: counters.knocks,
            drops: &counters.drops,
            since: self.at.started,
            remotes: &remotes(&policy.config),
            listen: &policy.config.vpn.listen,
        };
        Explained::knocks(&counted, micros(self.at.clock.now()))
    }

    async fn missing(&self, which: &ExplainTarget) -> GatewayError {
        match which {
            ExplainTarget::LastRefusal | ExplainTarget::Refusal { .. } => {
                GatewayError::NoSuchRefusal
            }
            ExplainTarget::Reason { code } => GatewayError::NoStory {
                reason: code.clone(),
                of: reason_of(code),
                times: self.times(code).await,
                told: self.reasons().await,
            },
            ExplainTarget::Session { .. } | ExplainTarget::Device { .. } => {
                GatewayError::NoSuchSession
            }
        }
    }

    /// How often it happened at either door.
    async fn times(&self, code: &str) -> u64 {
        let ended = self.at.doors.counters().await.endings.get(code).copied();
        // Of the VPN's these count the refusals too.
        ended.max(self.at.metrics.refusals().get(code).copied()).unwrap_or(0)
    }

    /// Every reason of which there is something to tell.
    async fn reasons(&self) -> Vec<String> {
        let dropped = self.at.doors.counters().await.drops;
        let dropped = dropped.into_iter().filter(|(_, count)| *count > 0);
        let mut all = self.at.explained.reasons();
        all.extend(dropped.map(|(code, _)| code.to_owned()));
        all
    }

    async fn sessions(&self, fits: impl Fn(&Session) -> bool) -> Option<(Subject, Stories)> {
        let fitting = self.at.doors.sessions().await.into_iter().filter(|session| fits(session));
        let (sessions, besides) = newest(fitting.collect());
        let mut open = Vec::new();
        for session in sessions {
            if let Some(as_it_is) = self.at.doors.open_session(session.id).await {
                open.push((session, as_it_is));
            }
        }
        let subject = subject_of(&open)?;
        let others = all_of(&open, besides.as_ref());
        let tell = |(session, open): (Session, OpenSession)| {
            self.at.explained.session(&session, open, others.as_deref())
        };
        let stories = open.into_iter().map(tell).collect();
        let left_out = besides.into_iter().collect();
        Some((subject, Stories { version: VERSION, stories, left_out }))
    }

    /// A disk that takes nothing keeps nobody from looking.
    async fn note(&self, actor: &Actor, told: &Subject) {
        let noted =
            self.at.store.event_append(actor, EventKind::HANDSHAKE_EXPLAINED, details(told)).await;
        if let Err(error) = noted {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the event log does not tell who had a handshake explained");
        }
    }
}

/// Whether it is told by the count of first packets.
fn is_of_knocks(code: &str) -> bool {
    [NOTHING_ARRIVES, ANSWERS_LOST].contains(&code)
}

/// The newest of them, and how many there are besides: one device may have thousands of connections to virtual servers.
fn newest(mut sessions: Vec<Session>) -> (Vec<Session>, Option<LeftOut>) {
    sessions.sort_by_key(|session| Reverse((session.since, session.id)));
    let besides = sessions.len().saturating_sub(MOST_TOLD);
    sessions.truncate(MOST_TOLD);
    let reason = "older connections of the same device; each is told by its number".to_owned();
    (sessions, (besides > 0).then_some(LeftOut { reason, count: besides as u64 }))
}

/// Packets that are counted by their reason.
fn counted(code: &str) -> Subject {
    Subject { name: code.to_owned(), reason: None, device: None }
}

/// Nothing where none is open any more.
fn subject_of(open: &[(Session, OpenSession)]) -> Option<Subject> {
    let (first, _) = open.first()?;
    let numbers: Vec<String> = open.iter().map(|(session, _)| session.id.to_string()).collect();
    let sessions = if open.len() > 1 { "sessions" } else { "session" };
    let name = format!("{sessions} {}", numbers.join(", "));
    Some(Subject { name, reason: None, device: first.device.clone() })
}

/// Where a device has several, each story says so: of what is longer than a screen, who reads may see one alone.
fn all_of(open: &[(Session, OpenSession)], besides: Option<&LeftOut>) -> Option<String> {
    let (first, _) = open.first().filter(|_| open.len() > 1)?;
    let whose = first.device.as_ref().map_or_else(String::new, |device| format!("{device} has "));
    let each = open.iter().map(|(session, open)| match open.protocol {
        Protocol::OpenVpn => format!("{} at the VPN's door", session.id),
        Protocol::Tls => format!("{} at the TLS door", session.id),
    });
    let older = besides.map(|older| format!("{} older ones", older.count));
    let each: Vec<String> = each.chain(older).collect();
    Some(format!(
        "{whose}{} sessions at this moment: {} (`handfast explain session NUMBER` tells one)",
        open.len() as u64 + besides.map_or(0, |older| older.count),
        each.join(", ")
    ))
}

fn details(Subject { name, reason, device }: &Subject) -> Value {
    let mut details = json!({ "subject": name });
    if let Some(reason) = reason {
        details["reason"] = json!(reason);
    }
    if let Some(DeviceName { user, device }) = device {
        details["user"] = json!(user);
        details["device"] = json!(device);
    }
    details
}

/// Sessions that are told at once.
const MOST_TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use admin::transport::Transport;
    use clock::Timestamp;

    use super::*;

    #[test]
    fn of_a_device_with_very_many_connections_the_newest_are_told_and_the_others_are_counted() {
        let (told, besides) = newest((0..5_000).map(session).collect());
        let numbers: Vec<_> = told.iter().map(|session| session.id).collect();
        assert_eq!(numbers, (4_980..5_000).rev().collect::<Vec<_>>());
        assert_eq!(besides.map(|besides| besides.count), Some(4_980));
        assert!(newest((0..20).map(session).collect()).1.is_none());
    }

    #[test]
    fn of_a_device_with_sessions_at_both_doors_each_story_names_all_and_the_event_as_well() {
        let of_alice = |id, protocol| {
            let device = Some(DeviceName::parse("alice/default").expect("a name"));
            let (since, renewed) = (0, None);
            let open =
                OpenSession { protocol, since, renewed, keys: Vec::new(), rules: Vec::new() };
            (Session { device, ..session(id) }, open)
        };
        let both = [of_alice(1_000_000_001, Protocol::Tls), of_alice(32, Protocol::OpenVpn)];
        let said = all_of(&both, None).expect("more than one");
        assert!(
            said.starts_with(
                "alice/default has 2 sessions at this moment: 1000000001 at the TLS door, 32 at the VPN's door"
            ),
            "{said}"
        );
        assert_eq!(all_of(&both[..1], None), None);
        let older = LeftOut { reason: String::new(), count: 4 };
        assert!(all_of(&both, Some(&older)).is_some_and(|said| {
            said.contains("has 6 sessions") && said.contains(", 4 older ones (")
        }));
        let details = |open: &[_]| details(&subject_of(open).expect("open ones"));
        let alice =
            json!({ "subject": "sessions 1000000001, 32", "user": "alice", "device": "default" });
        assert_eq!(details(&both), alice);
        assert_eq!(details(&both[1..])["subject"], "session 32");
        assert!(subject_of(&[]).is_none());
    }

    fn session(id: u64) -> Session {
        Session {
            id,
            device: None,
            transport: Transport::Tcp,
            source: "192.0.2.9:4000".parse().expect("an address"),
            local: None,
            addresses: Vec::new(),
            cipher: String::new(),
            tls: String::new(),
            group: String::new(),
            keys_since: None,
            client: String::new(),
            serial: None,
            since: Timestamp::from_unix_secs(id),
            renegotiated_at: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }
}
