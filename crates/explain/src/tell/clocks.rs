//! Whether the clocks of both sides agree, by the stamps of their packets in OpenVPN. Which of them is right is not known
//! here.

use std::time::Duration;

use clock::Timestamp;

use crate::fact::Fact;
use crate::place::Side;

/// Two clocks that differ by less, in seconds, are called equal: some stamp with the moment at which their session began.
const EQUAL: u64 = 3_600;

/// How far the two are apart, and what to do; none where they agree, or don't tell.
pub(super) fn apart(facts: &[&Fact]) -> Option<String> {
    let [client, server] = [Side::Client, Side::Server].map(|side| stamp(facts, side));
    let (client, server) = (client?, server?);
    let apart = client.abs_diff(server);
    (apart >= EQUAL).then(|| {
        format!(
            "The two clocks are {} apart: the client stamps its packets with {}, the server with {}. Compare both with one that is right (`date -u` shows a machine's), and set the one that is wrong; then try again before anything else is changed.",
            span(apart),
            moment(client),
            moment(server)
        )
    })
}

/// The same as a gateway knows it: the client's clock by the stamp of its packet, and its own, by which facts have their
/// time.
pub(crate) fn at_the_gateway(facts: &[Fact]) -> Option<(bool, String)> {
    let theirs = facts.iter().filter(|fact| fact.from == Side::Client);
    let (own, client) = theirs
        .map(|fact| (fact.at / 1_000_000, stamp_of(fact)))
        .find_map(|(own, stamp)| Some((own, stamp?)))?;
    let apart = own.abs_diff(client);
    let agree = apart < EQUAL;
    let sentence = match agree {
        true => {
            "the client stamps its packets with a clock that agrees with the gateway's to the hour"
                .to_owned()
        }
        false => format!(
            "the clocks of client and gateway are {} apart: the client stamped a packet with {} when the gateway's clock said {}; `date -u` on both shows which is wrong",
            span(apart),
            moment(client),
            moment(own)
        ),
    };
    Some((agree, sentence))
}

/// The time with which a side stamps its packets, in seconds since 1970.
fn stamp(facts: &[&Fact], of: Side) -> Option<u64> {
    facts.iter().filter(|fact| fact.from == of).find_map(|fact| stamp_of(fact))
}

fn stamp_of(fact: &Fact) -> Option<u64> {
    fact.fields.iter().find(|field| field.name == "replay_time")?.value.parse().ok()
}

/// So many seconds, roughly.
fn span(seconds: u64) -> String {
    match seconds {
        0..172_800 => format!("{} hours", seconds.saturating_add(1_800) / 3_600),
        _ => format!("{} days", seconds.saturating_add(43_200) / 86_400),
    }
}

fn moment(seconds: u64) -> String {
    Timestamp::from_wall(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Kind;
    use crate::fact::Detail;
    use crate::field::Field;
    use crate::story::Source;

    #[test]
    fn clocks_that_differ_are_told_with_both_times_and_those_that_agree_are_not() {
        let told = |client, server| {
            let facts = [(Side::Client, client), (Side::Server, server)].map(stamped);
            apart(&facts.iter().collect::<Vec<_>>())
        };
        assert_eq!(told(1_795_977_878, 1_795_977_940), None);
        let day = told(1_795_977_878, 1_796_064_278).unwrap();
        assert!(day.starts_with("The two clocks are 24 hours apart: the client stamps"), "{day}");
        assert!(day.contains("2026-11-29 18:44:38 UTC, the server with 2026-11-30"), "{day}");
        assert!(told(1_795_977_878, 1_701_283_478).unwrap().contains(" 1096 days apart"));
        let one = stamped((Side::Client, 1_795_977_878));
        assert_eq!(apart(&[&one]), None, "of the other nothing came");
    }

    #[test]
    fn a_gateway_sets_the_clients_stamp_beside_its_own_clock() {
        let told = |client, own: u64| {
            at_the_gateway(&[Fact { at: own * 1_000_000, ..stamped((Side::Client, client)) }])
        };
        let (agree, said) = told(1_795_977_878, 1_795_977_940).unwrap();
        assert!(agree && said.ends_with("agrees with the gateway's to the hour"), "{said}");
        let (agree, said) = told(1_795_977_878, 1_796_064_278).unwrap();
        assert!(
            !agree && said.contains("gateway are 24 hours apart: the client stamped"),
            "{said}"
        );
        assert!(said.contains("2026-11-29 18:44:38 UTC when the gateway's clock said 2026-11-30"));
        assert_eq!(at_the_gateway(&[stamped((Side::Server, 1))]), None);
    }

    fn stamped((from, time): (Side, u32)) -> Fact {
        Fact {
            at: 0,
            from,
            kind: Kind::ClientReset,
            fields: vec![Field::number("replay_time", time)],
            basis: Vec::new(),
            key: None,
            handshake: 0,
            source: Source::Seen,
            detail: Detail::None,
        }
    }
}
