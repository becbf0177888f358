//! What the explorer and the replay of known inputs run.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{Both, Fault, Greeting, Introduction, Protocol, Relay, Step, Upgrade};

/// A function of any octets.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 2] = [("upgrade", upgrade), ("relay", relay)];

/// A side of any protocol comes to the same end in whatever pieces octets come: TLS begins with nothing behind it,
/// and whoever is not there yet says little.
pub fn upgrade(octets: &[u8]) {
    let Some((kind, octets)) = octets.split_first() else { return };
    let (Some(mut slow), Some(mut quick)) = (side(*kind), side(*kind)) else { return };
    let (mut ended, mut said) = (None, slow.first().len());
    for (at, octet) in octets.iter().enumerate() {
        match slow.hear(&[*octet]) {
            Step::More(more) => said += more.len(),
            step => {
                ended = Some((at + 1, step));
                break;
            }
        }
    }
    assert!(said <= MOST_SAID, "{said} octets are said to a stranger");
    if octets.is_empty() {
        return;
    }
    let whole = quick.hear(octets);
    match (&ended, &whole) {
        (None, Step::More(_)) => {}
        (Some((_, Step::Direct(_))), Step::Direct(all)) => assert_eq!(all, octets),
        (Some((at, Step::Begin(_))), Step::Begin(_)) => assert_eq!(*at, octets.len()),
        (Some((at, Step::Begin(_))), Step::Direct(rest)) => assert_eq!(rest, &octets[*at..]),
        (Some((at, Step::Begin(_))), Step::No(_, Fault::Injected)) => assert!(*at < octets.len()),
        (Some((_, Step::No(_, slow))), Step::No(_, quick)) => assert_eq!(slow, quick),
        _ => panic!("{ended:?} in pieces, and {whole:?} at once"),
    }
    assert!(ended.is_none() || slow.hear(octets) == Step::No(Vec::new(), Fault::Left));
}

/// What stands between two sides says the same in whatever pieces octets come, and keeps little.
pub fn relay(octets: &[u8]) {
    let Some(([kind, says], octets)) = octets.split_first_chunk::<2>() else { return };
    let (mut slow, mut quick) = (between(*kind), between(*kind));
    let (mut pieces, mut whole) = (slow.begin(), quick.begin());
    let client_says = *says % 2 == 1;
    let hear = |relay: &mut Relay, octets: &[u8], out: &mut Both| match client_says {
        true => relay.client_says(octets, out),
        false => relay.service_says(octets, out),
    };
    let slowly = octets.iter().try_for_each(|octet| hear(&mut slow, &[*octet], &mut pieces));
    let quickly = hear(&mut quick, octets, &mut whole);
    assert_eq!(slowly.is_ok(), quickly.is_ok() || octets.is_empty());
    if slowly.is_ok() {
        assert_eq!(pieces, whole);
        assert_eq!((slow.is_done(), slow.is_settled()), (quick.is_done(), quick.is_settled()));
    }
}

fn side(kind: u8) -> Option<Upgrade> {
    let protocol = protocol(kind);
    match kind & 0x80 {
        0 => {
            let greeting = Greeting { service: MYSQL.to_vec(), ..Greeting::of("service.test") };
            Upgrade::server(protocol, &greeting).ok()
        }
        _ => Some(Upgrade::client(protocol, "service.test")),
    }
}

fn between(kind: u8) -> Relay {
    let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let introduction = Introduction { source, login: Some("alice".to_owned()) };
    match kind >> 6 {
        0 => Relay::behind(protocol(kind), false, None),
        1 => Relay::behind(protocol(kind), true, None),
        2 => Relay::behind(protocol(kind), false, Some(introduction)),
        _ => Relay::before(protocol(kind), "service.test", MYSQL),
    }
}

fn protocol(kind: u8) -> Protocol {
    Protocol::ALL[usize::from(kind & 0x3f) % Protocol::ALL.len()]
}

/// A greeting that offers TLS.
const MYSQL: &[u8] = b"\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\x81";
const MOST_SAID: usize = 64 * 1024;
