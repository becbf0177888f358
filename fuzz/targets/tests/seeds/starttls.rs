//! STARTTLS: what each side of each protocol hears from the other, and what services say behind TLS.

use starttls::{Greeting, Protocol, Step, Upgrade};

use super::seed;

pub(super) fn write() {
    for (number, protocol) in (0..).zip(Protocol::ALL) {
        let (by_server, by_client) = heard(protocol);
        seed(
            "starttls_upgrade",
            &format!("{protocol}-server"),
            [&[number][..], &by_server].concat(),
        );
        let number = number | 0x80;
        seed(
            "starttls_upgrade",
            &format!("{protocol}-client"),
            [&[number][..], &by_client].concat(),
        );
    }
    let direct = [&[11][..], b"\x16\x03\x01\x02\0"].concat();
    seed("starttls_upgrade", "postgresql-direct", direct);
    for (name, kind, says, text) in BEHIND {
        seed("starttls_relay", name, [&[*kind, *says][..], text].concat());
    }
    for (name, kind, turns) in TALKS {
        let turn = |(says, text): &(u8, &[u8])| [&[*says | text.len() as u8][..], *text].concat();
        let turns: Vec<u8> = turns.iter().flat_map(turn).collect();
        seed("starttls_talk", name, [&[*kind][..], &turns].concat());
    }
}

fn heard(protocol: Protocol) -> (Vec<u8>, Vec<u8>) {
    let greeting = Greeting { service: MYSQL.to_vec(), ..Greeting::of("service.test") };
    let mut server = Upgrade::server(protocol, &greeting).unwrap();
    let mut client = Upgrade::client(protocol, "service.test");
    let (mut by_server, mut by_client) = (client.first(), server.first());
    let (mut to_server, mut to_client) = (by_server.clone(), by_client.clone());
    for _ in 0..20 {
        if !to_client.is_empty() {
            to_server.extend(said(client.hear(&std::mem::take(&mut to_client)), &mut by_server));
        }
        if !to_server.is_empty() {
            to_client.extend(said(server.hear(&std::mem::take(&mut to_server)), &mut by_client));
        }
    }
    (by_server, by_client)
}

fn said(step: Step, heard: &mut Vec<u8>) -> Vec<u8> {
    let (Step::More(said) | Step::Begin(said) | Step::Direct(said) | Step::No(said, _)) = step;
    heard.extend(&said);
    said
}

/// Name, kind, who says it, what.
const BEHIND: &[(&str, u8, u8, &[u8])] = &[
    ("smtp", 0, 0, b"220 a\r\n250-a\r\n250-STARTTLS\r\n250-AUTH PLAIN X-PLUS\r\n250 STARTTLS\r\n250 ok\r\n"),
    ("smtp-told", 0x80, 0, b"220 a\r\n250-a\r\n250 XCLIENT ADDR PORT LOGIN\r\n220 a\r\n250 STARTTLS\r\n"),
    ("imap", 3, 0, b"* OK [CAPABILITY STARTTLS] hi\r\n* CAPABILITY IMAP4rev1 STARTTLS AUTH=X-PLUS\r\nA OK done\r\n"),
    ("imap-login", 0x43, 1, b"A CAPABILITY\r\nB LOGIN a b\r\nC NOOP\r\n"),
    ("pop3", 4, 0, b"+OK <1@a>\r\n+OK\r\nSTLS\r\nSASL PLAIN X-PLUS\r\n.\r\n"),
    ("sieve", 5, 0, b"\"SASL\" \"PLAIN X-PLUS\"\r\n\"STARTTLS\"\r\nOK\r\n"),
    ("nntp", 6, 0, b"200 hi\r\n101 list\r\nSTARTTLS\r\nREADER\r\n.\r\n"),
    ("ftp", 7, 0, b"220-hi\r\n220 hi\r\n211-\r\n AUTH TLS\r\n211 End\r\n"),
    ("irc", 13, 0, b":a CAP * LS :sasl tls sts=port=1\r\n:b PRIVMSG #a :tls\r\n"),
    (
        "xmpp",
        9,
        0,
        b"<?xml version='1.0'?><s:stream><s:features><starttls xmlns='x'><required/></starttls><m><mechanism>PLAIN\
          </mechanism><mechanism>X-PLUS</mechanism></m></s:features><a/>",
    ),
    ("postgresql", 0xcb, 1, b"\0\0\0\x08\x04\xd2\x16\x30\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x08\0\x03\0\0x"),
    ("mysql", 0xcc, 0, b"\x01\0\0\x03\xfe\x01\0\0\x04\0\x01\0\0\x01x"),
];

/// Who says it (a client has the high bit), what.
type Turn = (u8, &'static [u8]);

/// Name, kind, turns.
const TALKS: &[(&str, u8, &[Turn])] = &[
    (
        "ftp-behind",
        7,
        &[
            (0, b"220 hi\r\n"),
            (0x80, b"PBSZ 0\r\nPROT P\r\nPASV\r\n"),
            (0, b"227 (127,0,0,1,4,2)\r\n"),
            (0x80, b"EPSV\r\nSTOR a\r\nPORT 1,2,3,4,5,6\r\n"),
            (0, b"229 (|||1026|)\r\n150 a\r\n226 b\r\n"),
        ],
    ),
    (
        "ftp-before",
        0xc7,
        &[
            (0x80, b"FEAT\r\nEPSV\r\n"),
            (0, b"211-a\r\n AUTH TLS\r\n211 b\r\n200 a\r\n200 b\r\n229 (|||1026|)\r\n"),
            (0x80, b"RETR a\r\n\xff\xf4\xff\xf2ABOR\r\n"),
            (0, b"150 a\r\n426 b\r\n226 c\r\n"),
        ],
    ),
    (
        "imap",
        3,
        &[
            (0, b"* OK hi\r\n"),
            (0x80, b"a CAPABILITY\r\n"),
            (0, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n"),
            (0x80, b"b LOGIN a b\r\n"),
        ],
    ),
];

const MYSQL: &[u8] = b"\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\x81";
