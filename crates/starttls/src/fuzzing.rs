//! What the explorer and the replay of known inputs run.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{Both, Doors, Fault, Greeting, Introduction, Protocol, Relay, Step, Upgrade};

/// A function of any octets.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 3] = [("upgrade", upgrade), ("relay", relay), ("talk", talk)];

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

/// The same of both sides in turns: an octet says whose turn it is and how much is said. No place where a service waits
/// reaches a client, whatever was said before.
pub fn talk(octets: &[u8]) {
    let Some((kind, mut rest)) = octets.split_first() else { return };
    let (mut slow, mut quick) = (between(*kind), between(*kind));
    let _ = (slow.begin(), quick.begin());
    let mut told = Vec::new();
    while let Some((turn, more)) = rest.split_first() {
        let (said, behind) = more.split_at(usize::from(turn & 0x7f).min(more.len()));
        rest = behind;
        let (mut pieces, mut whole) = (Both::default(), Both::default());
        let hear = |relay: &mut Relay, octets: &[u8], out: &mut Both| match turn & 0x80 {
            0 => relay.service_says(octets, out),
            _ => relay.client_says(octets, out),
        };
        let slowly = said.iter().try_for_each(|octet| hear(&mut slow, &[*octet], &mut pieces));
        let quickly = hear(&mut quick, said, &mut whole);
        assert_eq!(slowly.is_ok(), quickly.is_ok() || said.is_empty());
        if slowly.is_err() {
            return;
        }
        assert_eq!(pieces, whole);
        told.extend(whole.to_client);
    }
    if protocol(*kind) == Protocol::Ftp {
        let place = |line: &[u8]| line.starts_with(b"227 ") || line.starts_with(b"229 ");
        let places = told.split_inclusive(|octet| *octet == b'\n').filter(|line| place(line));
        // In the middle of a list it is one of its lines.
        if !told.split(|octet| *octet == b'\n').any(|line| line.get(3) == Some(&b'-')) {
            places.for_each(|line| assert!(OURS.contains(&line), "{line:?} is the service's"));
        }
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
    let relay = match kind >> 6 {
        0 => Relay::behind(protocol(kind), false, None),
        1 => Relay::behind(protocol(kind), true, None),
        2 => Relay::behind(protocol(kind), false, Some(introduction)),
        _ => Relay::before(protocol(kind), "service.test", MYSQL),
    };
    relay.with_doors(Box::new(Ajar))
}

/// One door for all.
#[derive(Debug)]
struct Ajar;

impl Doors for Ajar {
    fn open(&mut self, service_port: u16) -> Option<SocketAddr> {
        service_port.is_multiple_of(2).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)))
    }
}

fn protocol(kind: u8) -> Protocol {
    Protocol::ALL[usize::from(kind & 0x3f) % Protocol::ALL.len()]
}

/// What a client is told of [`Ajar`]'s door.
const OURS: [&[u8]; 2] = [
    b"227 Entering Passive Mode (127,0,0,1,156,64).\r\n",
    b"229 Entering Extended Passive Mode (|||40000|)\r\n",
];
/// A greeting that offers TLS.
const MYSQL: &[u8] = b"\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\x81";
const MOST_SAID: usize = 64 * 1024;
