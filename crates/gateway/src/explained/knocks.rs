//! Clients that get no answer and stand in no list: whether any knocked over UDP, by what the gateway counts.
//!
//! A packet that is lost on its way leaves nothing here, and of one that comes nothing is kept before its sender has
//! proved its address. Invariant: nothing is said of one client, since nothing is known of one.

use std::collections::BTreeMap;

use admin::response::Remote;
use admin::transport::Transport;
use clock::Timestamp;
use engine::Knocks;
use explain::catalogue::Kind;
use explain::kept::{Lack, Verdict};
use vpn::Listen;

/// Nothing of the client is known to have come.
pub(crate) const NOTHING_ARRIVES: &str = "nothing_arrives";
/// First packets come, and answers to them don't come back.
pub(crate) const ANSWERS_LOST: &str = "answers_lost";

/// What is counted, and where clients reach the gateway.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) knocks: Knocks,
    /// Dropped packets by cause.
    pub(crate) drops: &'a BTreeMap<&'static str, u64>,
    /// When the counting began.
    pub(crate) since: Timestamp,
    pub(crate) remotes: &'a [Remote],
    pub(crate) listen: &'a [Listen],
}

/// Fewer answers that did not come back say nothing: a client that repeated its first packet leaves one.
const MANY: u64 = 2;

impl Counted<'_> {
    fn code(&self) -> &'static str {
        match self.knocks.unreturned < MANY {
            true => NOTHING_ARRIVES,
            false => ANSWERS_LOST,
        }
    }

    pub(super) fn lack(&self) -> Lack {
        match self.code() {
            ANSWERS_LOST => Lack::Stateless,
            _ => Lack::Unheard,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let code = self.code();
        let (sentence, mends) = match code {
            ANSWERS_LOST => {
                let sentence = format!(
                    "the last {} answers to first packets over UDP from one address did not come back: they are lost on their way there, or whoever knocks does not go on",
                    self.knocks.unreturned
                );
                (sentence, self.lost_on_the_way_back())
            }
            _ => (
                "of a client whose packets don't arrive a gateway knows nothing, and whether they do is seen by its count of first packets while the client tries"
                    .to_owned(),
                self.lost_on_the_way_here(),
            ),
        };
        let after = &[Kind::NotHeard, Kind::NotKept];
        Verdict { code: code.to_owned(), by: None, after, sentence, mends }
    }

    /// The counters, a sentence each.
    pub(super) fn sentences(&self) -> Vec<String> {
        let last = |at: Option<Timestamp>| {
            at.map_or_else(String::new, |at| format!("; the last at {}", at.whole_second()))
        };
        let Knocks { answered, last_answered, returned, last_returned, unreturned } = self.knocks;
        let mut said = vec![
            format!(
                "first packets over UDP that were right and were answered, since the start at {}: {answered}{}",
                self.since.whole_second(),
                last(last_answered)
            ),
            format!(
                "answers of those that came back, which proves the client's address and that both ways are open: {returned}{}; in the last two minutes, the most in a row to one address of which none came back: {unreturned}",
                last(last_returned)
            ),
        ];
        let count = |codes: &[&str]| codes.iter().filter_map(|code| self.drops.get(code)).sum();
        let wrong: u64 = count(&WRONG);
        said.push(match WRONG.iter().max_by_key(|code| self.drops.get(*code)) {
            Some(most) if wrong > 0 => format!(
                "control packets besides whose code does not fit the tls-auth key: {wrong}; see `handfast explain failure {most}`"
            ),
            _ => "no control packet came whose code does not fit the tls-auth key".to_owned(),
        });
        let unanswered: u64 = count(&["busy", "rate_limited", "control_overflow"]);
        if unanswered > 0 {
            said.push(format!(
                "right ones besides that were not answered, since more came than may: {unanswered}"
            ));
        }
        said
    }

    fn lost_on_the_way_here(&self) -> Vec<String> {
        let Some(port) = self.reached_at(Transport::Udp) else {
            return vec![
                "This gateway listens for no UDP (`vpn.listen`): have the client's profile say TCP, or add a UDP socket and restart the gateway."
                    .to_owned(),
                self.over_tcp(),
            ];
        };
        vec![
            "Let the client try, and ask once more: `handfast explain failure nothing_arrives`. If the count of first packets rises, its packets come, and the cause is another: `handfast status` has the last refusals."
                .to_owned(),
            format!(
                "If it stands still, they are lost on their way: open UDP port {port} in the client's network, at the gateway's provider, and in the firewall of the gateway itself (`nft list ruleset`); and see whether `remote` in the profile is this gateway."
            ),
            format!(
                "`{}` on the gateway tells where: what it shows while the client tries has come as far as the gateway's own firewall; what it does not show was lost before.",
                self.watched()
            ),
            self.over_tcp(),
        ]
    }

    fn lost_on_the_way_back(&self) -> Vec<String> {
        vec![
            format!(
                "`{}` on the gateway tells where, while the client tries: if answers leave, they are lost behind it, and UDP has to be let through both ways in the client's network and at the gateway's provider.",
                self.watched()
            ),
            "If none leaves, it is the gateway: see its firewall (`nft list ruleset`) and its way to the client (`ip route get ADDRESS`)."
                .to_owned(),
            self.over_tcp(),
            "If no user complains, somebody with the tls-auth key knocks and does not go on: nothing is to be done."
                .to_owned(),
        ]
    }

    fn over_tcp(&self) -> String {
        let profile =
            "or have `handfast profile --from OLD.ovpn --out DIR` write its settings anew";
        let tcp = self.remotes.iter().find(|remote| remote.transport == Transport::Tcp);
        match tcp {
            Some(Remote { host, port, .. }) => format!(
                "Or go by TCP, where the client's network lets no UDP through: add the line `remote {host} {port} tcp-client` to its profile, {profile}."
            ),
            None => {
                let listen: Vec<String> = self.listen.iter().map(Listen::to_string).collect();
                let port = self.listen.first().map_or(1194, |listen| listen.address.port());
                format!(
                    "Or go by TCP, where the client's network lets no UDP through: `handfast config set vpn.listen {} tcp:[::]:{port}`, restart the gateway, and add a line `remote NAME {port} tcp-client` to the profile, {profile}.",
                    listen.join(" ")
                )
            }
        }
    }

    /// The port that clients send to, which another one on the way may stand for.
    fn reached_at(&self, transport: Transport) -> Option<u16> {
        let listens = self.listen.iter().find(|listen| listen.transport == transport)?;
        let remote = self.remotes.iter().find(|remote| remote.transport == transport);
        Some(remote.map_or(listens.address.port(), |remote| remote.port))
    }

    fn watched(&self) -> String {
        let udp = self.listen.iter().filter(|listen| listen.transport == Transport::Udp);
        let ports: Vec<String> =
            udp.map(|listen| format!("udp port {}", listen.address.port())).collect();
        format!("tcpdump -ni any {}", ports.join(" or "))
    }
}

const WRONG: [&str; 4] =
    ["wrong_tls_auth_key", "wrong_key_direction", "wrong_auth_digest", "wrong_tls_auth"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_don_t_come_back_are_told_from_packets_that_don_t_arrive() {
        let drops = BTreeMap::new();
        let code = |knocks: Knocks| told(knocks, &drops, &["udp:[::]:1194"]).code;
        let knocks = Knocks { answered: 9, returned: 9, ..Knocks::default() };
        assert_eq!(code(Knocks::default()), NOTHING_ARRIVES);
        assert_eq!(code(Knocks { unreturned: 1, ..knocks }), NOTHING_ARRIVES);
        assert_eq!(code(Knocks { unreturned: 3, ..knocks }), ANSWERS_LOST);
        let lost = told(Knocks { unreturned: 3, ..knocks }, &drops, &["udp:[::]:1194"]);
        assert!(
            lost.by.is_none()
                && lost.sentence.contains("the last 3 answers")
                && lost.sentence.contains("one address"),
            "{lost:?}"
        );
    }

    #[test]
    fn a_mend_has_the_ports_that_there_are() {
        let drops = BTreeMap::new();
        let mends = |listen: &[&str]| told(Knocks::default(), &drops, listen).mends.concat();
        let both = mends(&["udp:[::]:1194", "tcp:[::]:443"]);
        assert!(both.contains("open UDP port 1194") && both.contains("udp port 1194`"), "{both}");
        assert!(both.contains("`remote a.example 443 tcp-client`"), "{both}");
        let udp = mends(&["udp:[::]:1195"]);
        let order = "`handfast config set vpn.listen udp:[::]:1195 tcp:[::]:1195`";
        assert!(udp.contains("open UDP port 1195") && udp.contains(order), "{udp}");
        assert!(mends(&["tcp:[::]:443"]).starts_with("This gateway listens for no UDP"));
    }

    #[test]
    fn packets_with_a_wrong_key_are_pointed_at_and_their_absence_is_said() {
        let said = |drops: &BTreeMap<_, _>| counted(Knocks::default(), drops, &[], &[]).sentences();
        let none = said(&BTreeMap::new());
        assert!(none[2].starts_with("no control packet came"), "{none:?}");
        let drops = [("wrong_tls_auth", 1), ("wrong_key_direction", 4)].into();
        let some = said(&drops);
        assert!(some[2].contains("key: 5; see `handfast explain failure wrong_key_direction`"));
        assert_eq!(said(&[("busy", 2)].into()).len(), 4);
    }

    #[test]
    fn the_operators_table_has_both_stories() {
        let (_, table) =
            OPERATION.split_once("| story | what it means | what to do |").expect("it");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let codes: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(codes, [NOTHING_ARRIVES, ANSWERS_LOST]);
    }

    const OPERATION: &str = include_str!("../../../../docs/operation.md");

    fn told(knocks: Knocks, drops: &BTreeMap<&'static str, u64>, listen: &[&str]) -> Verdict {
        let listen: Vec<Listen> = listen.iter().map(|l| l.parse().expect("a socket")).collect();
        let remote = |l: &Listen| Remote {
            host: "a.example".to_owned(),
            port: l.address.port(),
            transport: l.transport,
        };
        let remotes: Vec<Remote> = listen.iter().map(remote).collect();
        counted(knocks, drops, &listen, &remotes).verdict()
    }

    fn counted<'a>(
        knocks: Knocks,
        drops: &'a BTreeMap<&'static str, u64>,
        listen: &'a [Listen],
        remotes: &'a [Remote],
    ) -> Counted<'a> {
        Counted { knocks, drops, since: Timestamp::from_unix_secs(1), remotes, listen }
    }
}
