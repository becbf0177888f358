//! Each side against its own other side, in pieces of any size; and the same with somebody between who puts octets in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use starttls::{Fault, Greeting, Protocol, Step, Upgrade};

#[test]
fn both_sides_of_each_protocol_come_to_tls_together_in_whatever_pieces() {
    for protocol in Protocol::ALL {
        for piece in [1, 2, 3, 7, 4096] {
            let (to_server, to_client) =
                met(protocol, piece, None).unwrap_or_else(|why| panic!("{protocol}: {why}"));
            assert!(!to_server.is_empty() && (!to_client.is_empty()), "{protocol}");
        }
    }
}

#[test]
fn splits_at_every_octet_of_every_flight_change_nothing() {
    for protocol in Protocol::ALL {
        let whole = met(protocol, 4096, None).unwrap();
        for at in 1..whole.0.len().max(whole.1.len()) {
            let split =
                split(protocol, at).unwrap_or_else(|why| panic!("{protocol} at {at}: {why}"));
            assert_eq!(split, whole, "{protocol} at {at}");
        }
    }
}

#[test]
fn octets_behind_the_command_or_the_go_ahead_end_it_in_every_protocol() {
    for protocol in Protocol::ALL {
        for put_in in [&b"\n"[..], b"RCPT TO:<a@b>\r\n", b"\x16\x03\x01\x02\0", b"<a/>", b"\0"] {
            for side in [Side::Server, Side::Client] {
                if (protocol, side) == (Protocol::Mysql, Side::Server) {
                    continue;
                }
                let outcome = met(protocol, 4096, Some((side, put_in)));
                assert_eq!(
                    outcome.unwrap_err(),
                    Fault::Injected,
                    "{protocol}: {side:?} and {put_in:?}"
                );
            }
        }
    }
}

#[test]
fn what_a_mysql_client_says_behind_its_request_is_tls_or_nothing() {
    let mut client = Upgrade::client(Protocol::Mysql, "service.test");
    let Step::Begin(request) = client.hear(MYSQL) else { panic!() };
    let hello = b"\x16\x03\x01\x02\0".to_vec();
    let both = [&request[..], &hello].concat();
    assert_eq!(server(Protocol::Mysql).hear(&both), Step::Direct(hello));
    assert_eq!(server(Protocol::Mysql).hear(&request), Step::Begin(Vec::new()));
}

#[test]
fn a_peer_of_another_protocol_is_refused_and_never_taken_for_tls() {
    for own in Protocol::ALL {
        for other in Protocol::ALL {
            let mut client = Upgrade::client(own, "service.test");
            let mut server = server(other);
            let mut said = client.first();
            said.extend(b"\r\n");
            for _ in 0..8 {
                let answered = match server.hear(&said) {
                    Step::More(more) => more,
                    _ => break,
                };
                match client.hear(&[&server.first()[..], &answered].concat()) {
                    Step::More(more) if !more.is_empty() => said = more,
                    _ => break,
                }
            }
        }
        let mut client = Upgrade::client(own, "service.test");
        client.first();
        let web = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        assert!(!matches!(client.hear(web), Step::Begin(_) | Step::Direct(_)), "{own}");
    }
}

#[test]
fn a_peer_that_leaves_has_left() {
    for protocol in Protocol::ALL {
        assert_eq!(server(protocol).hear(&[]), Step::No(Vec::new(), Fault::Left));
        assert_eq!(Upgrade::client(protocol, "a").hear(&[]), Step::No(Vec::new(), Fault::Left));
    }
}

/// Before whom octets are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

type Said = (Vec<u8>, Vec<u8>);

/// Has both sides talk in pieces, and gives what each heard.
fn met(protocol: Protocol, piece: usize, put_in: Option<(Side, &[u8])>) -> Result<Said, Fault> {
    talk(protocol, put_in, |octets| octets.chunks(piece).map(<[u8]>::to_vec).collect())
}

/// The same, with every flight cut once.
fn split(protocol: Protocol, at: usize) -> Result<Said, Fault> {
    talk(protocol, None, |octets| {
        let (first, second) = octets.split_at(at.min(octets.len()));
        [first, second].into_iter().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
    })
}

/// One of the two.
struct End {
    side: Side,
    upgrade: Upgrade,
    inbox: Vec<u8>,
    heard: Vec<u8>,
    has_begun: bool,
}

fn talk(
    protocol: Protocol,
    put_in: Option<(Side, &[u8])>,
    cut: impl Fn(&[u8]) -> Vec<Vec<u8>>,
) -> Result<Said, Fault> {
    let (mut server, mut client) = (server(protocol), Upgrade::client(protocol, "service.test"));
    let inboxes = [client.first(), server.first()];
    let mut ends = [(Side::Server, server), (Side::Client, client)].map(|(side, upgrade)| End {
        side,
        upgrade,
        inbox: Vec::new(),
        heard: Vec::new(),
        has_begun: false,
    });
    for (end, inbox) in ends.iter_mut().zip(inboxes) {
        end.inbox = inbox;
    }
    for turn in 0..40 {
        let octets = std::mem::take(&mut ends[turn % 2].inbox);
        let said = ends[turn % 2].hear(protocol, octets, put_in, &cut)?;
        ends[(turn + 1) % 2].inbox.extend(said);
        if ends.iter().all(|end| end.has_begun && end.inbox.is_empty()) {
            return Ok(ends.map(|end| end.heard).into());
        }
    }
    panic!("{protocol}: they go on and on")
}

impl End {
    fn hear(
        &mut self,
        protocol: Protocol,
        mut octets: Vec<u8>,
        put_in: Option<(Side, &[u8])>,
        cut: &impl Fn(&[u8]) -> Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Fault> {
        self.heard.extend(&octets);
        let put_in = put_in.filter(|(side, _)| *side == self.side && !octets.is_empty());
        // Behind what makes it begin, and in the same packet.
        let put_in = put_in.filter(|_| begins(protocol, self.side, &self.heard));
        if let Some((_, more)) = put_in {
            octets.extend(more);
            return match self.upgrade.hear(&octets) {
                Step::No(_, why) => Err(why),
                step => panic!("{protocol}: {step:?}"),
            };
        }
        let mut out = Vec::new();
        for piece in cut(&octets) {
            match self.upgrade.hear(&piece) {
                Step::More(said) => out.extend(said),
                Step::Begin(said) => {
                    out.extend(said);
                    self.has_begun = true;
                }
                Step::Direct(_) => panic!("{protocol}: TLS at once"),
                Step::No(_, why) => return Err(why),
            }
        }
        Ok(out)
    }
}

/// Whether one side begins TLS once it heard this: asked of another pair that went the same way.
fn begins(protocol: Protocol, side: Side, heard: &[u8]) -> bool {
    let mut fresh = match side {
        Side::Server => server(protocol),
        Side::Client => Upgrade::client(protocol, "service.test"),
    };
    fresh.first();
    matches!(fresh.hear(heard), Step::Begin(_))
}

fn server(protocol: Protocol) -> Upgrade {
    let greeting = Greeting { service: MYSQL.to_vec(), ..Greeting::of("service.test") };
    Upgrade::server(protocol, &greeting).unwrap()
}

const MYSQL: &[u8] = b"\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\x81";
