//! A try that nobody answered, by what other tries of the same client showed: a server that answered runs, and what
//! protects the client's packets is what it wants.
//!
//! Invariant: a cause that another try rules out is named nowhere in the story, and in all its places the same ones are.

use crate::catalogue::Kind;
use crate::place::Side;
use crate::story::{Broken, Ending, Story, Wrapping};

/// Looks at each try that nobody answered beside all others.
pub fn compare(stories: &mut [Story]) {
    let answers: Vec<Answered> = stories.iter().filter_map(Answered::of).collect();
    for story in stories {
        let Some(learned) = learned(story, &answers) else { continue };
        let again = Kind::ResetRepeated.entry().name;
        for step in story.steps.iter_mut().filter(|step| step.entry == again) {
            learned.leaves_open.clone_into(&mut step.leaves_open);
        }
        if let Ending::Broken(broken) = &mut story.ending {
            broken.sentence = learned.sentence;
            broken.mends = learned.mends.iter().copied().map(str::to_owned).collect();
        }
    }
}

/// That the word came back that nothing listens there: more than silence tells.
pub fn nothing_listens(story: &mut Story) {
    if let Some(broken) = unanswered(story) {
        NOTHING_LISTENS.clone_into(&mut broken.sentence);
        broken.mends = vec![START_IT.to_owned(), ELSEWHERE.to_owned()];
        let again = Kind::ResetRepeated.entry().name;
        for step in story.steps.iter_mut().filter(|step| step.entry == again) {
            "Whether that answer came from the server's machine or from a firewall on the way."
                .clone_into(&mut step.leaves_open);
        }
    }
}

fn unanswered(story: &mut Story) -> Option<&mut Broken> {
    match &mut story.ending {
        Ending::Broken(broken) if broken.code == "reset_unanswered" => Some(broken),
        _ => None,
    }
}

/// A server that answered the first packet.
struct Answered {
    client: String,
    host: String,
    transport: String,
    /// What protects its packets.
    wrapping: Option<Wrapping>,
}

impl Answered {
    fn of(story: &Story) -> Option<Answered> {
        let answer = Kind::ServerReset.entry().name;
        story.steps.iter().any(|step| step.entry == answer).then(|| Answered {
            client: host(&story.client).to_owned(),
            host: host(&story.server).to_owned(),
            transport: story.transport.clone(),
            wrapping: wrapping(story, Side::Server),
        })
    }

    /// What its answer says of the client's packets in another try; nothing where that can't be told.
    fn took(&self, story: &Story) -> Option<&'static str> {
        match (self.wrapping?, wrapping(story, Side::Client)?) {
            (Wrapping::Right, Wrapping::Right) => Some("took the same tls-auth key"),
            (Wrapping::None, Wrapping::None) => Some("wanted no tls-auth key"),
            _ => None,
        }
    }
}

/// Of the first packet of a side.
fn wrapping(story: &Story, of: Side) -> Option<Wrapping> {
    story.packets.iter().find(|packet| packet.from == of).map(|packet| packet.wrapping)
}

struct Learned {
    sentence: String,
    leaves_open: &'static str,
    mends: &'static [&'static str],
}

fn learned(story: &Story, answers: &[Answered]) -> Option<Learned> {
    let broken = story.ending.reason().filter(|broken| broken.code == "reset_unanswered")?;
    // That is known better.
    if broken.sentence == NOTHING_LISTENS {
        return None;
    }
    let of_client = answers.iter().filter(|one| one.client == host(&story.client));
    let told = of_client.filter_map(|one| one.took(story).map(|took| (one, took)));
    let told: Vec<(&Answered, &str)> = told.collect();
    let by = |transport: &str, is_there: bool| {
        let fits = |one: &Answered| {
            one.transport == transport && (one.host == host(&story.server)) == is_there
        };
        told.iter().find(|(one, _)| fits(one)).map(|(_, took)| *took)
    };
    if story.transport == "tcp" {
        let (_, took) = told.first()?;
        return Some(Learned {
            sentence: format!(
                "The TCP connection came about and nobody answered in it. In another try a server answered this client, and {took}. So likeliest what listens at this port is no OpenVPN server."
            ),
            leaves_open: "What listens there.",
            mends: NO_OPENVPN,
        });
    }
    let (who, what, leaves_open, mends) = if let Some(took) = by("tcp", true) {
        (
            format!(
                "Nobody answered over UDP. Over TCP the server at the same address answered, and {took}."
            ),
            "So likeliest UDP is blocked on the way, there or back; or no server listens on UDP at this port.",
            "Whether packets or answers are lost on the way, or no server listens on UDP at this port.",
            BLOCKED,
        )
    } else if let Some(took) = by("udp", true).or_else(|| by("udp", false)) {
        (
            format!(
                "Nobody answered. In another try over UDP a server answered this client, and {took}."
            ),
            "So likeliest no server listens at this address and port, or packets are lost on this way.",
            "Whether packets or answers are lost on the way, or no server listens there.",
            OFF,
        )
    } else {
        let took = by("tcp", false)?;
        (
            format!(
                "Nobody answered. In another try over TCP another server answered this client, and {took}."
            ),
            "So likeliest UDP is blocked on the way, there or back; or no server listens at this address and port.",
            "Whether packets or answers are lost on the way, or no server listens there.",
            BLOCKED_OR_OFF,
        )
    };
    Some(Learned { sentence: format!("{who} {what}"), leaves_open, mends })
}

fn host(server: &str) -> &str {
    server.rsplit_once(':').map_or(server, |(host, _)| host)
}

const BLOCKED: &[&str] = &[
    "Have UDP let through on the way, or mend the UDP port in the profile. TCP serves meanwhile, and is slower where packets are lost: TCP runs inside TCP then.",
    ELSEWHERE,
    AT_THE_SERVER,
];
const OFF: &[&str] = &[
    "See whether the server runs, and whether address and port are its own.",
    ELSEWHERE,
    AT_THE_SERVER,
];
const BLOCKED_OR_OFF: &[&str] = &[
    ELSEWHERE,
    "See whether the server runs, and whether address and port are its own.",
    AT_THE_SERVER,
];
const NO_OPENVPN: &[&str] =
    &["See whether address and port are the server's own for TCP, and nothing else listens there."];
const ELSEWHERE: &str = "Try from another network, as a phone's: if it works there, the first one keeps these packets back.";
const AT_THE_SERVER: &str = "Whoever runs the server can see on which way they are lost: of Handfast, `handfast explain failure nothing_arrives` tells whether packets arrive while you try. Elsewhere, `tcpdump -ni any udp` with the server's port shows it.";
const NOTHING_LISTENS: &str = "Nobody answered. The answer came that nothing listens at this UDP port: from the machine there, or from a firewall on the way.";
/// What mends that.
pub const START_IT: &str = "Start the server, or mend address and port in the profile: the answer came that nothing listens there (a firewall that rejects says the same).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_another_try_rules_out_is_named_nowhere() {
        let blocked = story("udp", "192.0.2.1:1194", "");
        assert!(sentence(&blocked, &[]).is_none());
        let here = sentence(&blocked, &[answered("tcp", "192.0.2.1")]).expect("something");
        assert!(here.contains("UDP is blocked") && here.contains("listens on UDP"), "{here}");
        let there = sentence(&blocked, &[answered("udp", "192.0.2.2")]).expect("something");
        assert!(
            there.contains("likeliest no server listens") && !there.contains("blocked"),
            "{there}"
        );
        let other = sentence(&blocked, &[answered("tcp", "192.0.2.2")]).expect("something");
        assert!(other.contains("UDP is blocked") && other.contains("no server listens"), "{other}");
        let stream = story("tcp", "192.0.2.1:443", "");
        let stream = sentence(&stream, &[answered("tcp", "192.0.2.2")]).expect("something");
        assert!(stream.contains("no OpenVPN server"), "{stream}");
        let closed = story("udp", "192.0.2.1:1194", NOTHING_LISTENS);
        assert!(sentence(&closed, &[answered("tcp", "192.0.2.1")]).is_none(), "known better");
        // Of another client, or with a code that nobody checked, nothing follows.
        let another = Answered { client: "192.0.2.8".to_owned(), ..answered("tcp", "192.0.2.1") };
        let unchecked =
            Answered { wrapping: Some(Wrapping::Unchecked), ..answered("tcp", "192.0.2.1") };
        assert!(sentence(&blocked, &[another, unchecked]).is_none());
    }

    fn sentence(of: &Story, answers: &[Answered]) -> Option<String> {
        let learned = learned(of, answers)?;
        let named = learned.mends.iter().copied().chain([learned.leaves_open]);
        assert!(named.into_iter().all(|said| !said.contains("key")), "the key was taken");
        Some(learned.sentence)
    }

    fn story(transport: &str, server: &str, sentence: &str) -> Story {
        let packet = serde_json::json!({
            "at": 0, "frame": 1, "from": "client", "opcode": 7, "name": "", "key_id": 0, "session": "", "acks": [],
            "message": 0, "payload": 0, "again": false, "stamp": null, "wrapping": "right",
        });
        let ending = serde_json::json!({
            "how": "broken", "code": "reset_unanswered", "by": null, "at_step": null, "sentence": sentence,
            "mends": ["Take another key."],
        });
        let story = serde_json::json!({
            "title": "", "protocol": "openvpn", "transport": transport, "client": "192.0.2.7:40000", "server": server,
            "began": 0, "steps": [], "missing": [], "keys": [], "certificates": [], "packets": [packet], "ending": ending,
        });
        serde_json::from_value(story).expect("a story")
    }

    fn answered(transport: &str, host: &str) -> Answered {
        Answered {
            client: "192.0.2.7".to_owned(),
            host: host.to_owned(),
            transport: transport.to_owned(),
            wrapping: Some(Wrapping::Right),
        }
    }
}
