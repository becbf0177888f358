//! Requests that one program reads as one and another as two, or as something else: none of them reaches a backend
//! as more than one, and what is refused never reaches it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Service, hear, open, secure, statuses};
use tokio::io::AsyncWriteExt;
use web::Http;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No whole request of it reaches a backend, and what is answered is an error.
    Refused,
    /// It is one request with this body, whatever else it seems to hold.
    One(&'static str),
}
use Fate::{One, Refused};

#[tokio::test]
async fn no_request_becomes_another_one_on_its_way_to_the_backend() {
    let mut wrong = Vec::new();
    for (name, request, fate) in LIST {
        let service = Service::echo().await;
        let (mut client, served) = open(service.site(), secure(Http::One));
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = hear(&mut client).await;
        let heard = service.heard();
        let smuggled = heard.iter().any(|head| {
            let line = head.lines().next().unwrap_or_default();
            line.contains("smuggled") || head.to_ascii_lowercase().contains("\r\nevil:")
        });
        let as_meant = match fate {
            Refused => {
                let refused = statuses(&answer).first().is_some_and(|status| *status >= 400);
                // To another protocol's beginning there is nothing to say.
                let ended = answer.is_empty() && served.is_finished();
                heard.is_empty() && (refused || ended)
            }
            One(body) => heard.len() == 1 && heard[0].split_once("\r\n\r\n").unwrap().1 == *body,
        };
        if smuggled || !as_meant {
            wrong.push(format!(
                "{name}: wanted {fate:?}, the backend heard {heard:?}, the client {answer:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(LIST.len() >= 30);
}

/// A request that is refused takes what stands behind it along: that could be anybody's reading of its body.
const LIST: &[(&str, &str, Fate)] = &[
    (
        "length and chunked: the codings count (RFC 9112 section 6.3), and the connection ends",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        One(""),
    ),
    (
        "chunked and length, the other way round",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        One("x"),
    ),
    (
        "two lengths that differ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "two lengths in one field",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 36\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "one length twice in one field",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nhi",
        Refused,
    ),
    (
        "one length twice is that length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        One("hi"),
    ),
    ("a length with a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nhi", Refused),
    ("a length below zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhi", Refused),
    (
        "a length in hexadecimal",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nhi",
        Refused,
    ),
    (
        "a length with a space within",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhi",
        Refused,
    ),
    (
        "an empty length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "a length beyond all numbers",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nhi",
        Refused,
    ),
    (
        "a space before the colon of a length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 36\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "a space before the colon of a coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "a tab before the colon of a coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a folded coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    ("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Evil: b\r\n\r\n", Refused),
    ("a field that begins with a space", "GET / HTTP/1.1\r\n Host: b\r\nHost: a\r\n\r\n", Refused),
    (
        "a coding that is not known",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "the coding identity",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
        Refused,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked in two fields",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked, and then another",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked last, behind another",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked in quotes",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked behind a vertical tab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        Refused,
    ),
    (
        "a NUL in a coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
        Refused,
    ),
    ("a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rEvil: b\r\n\r\n", Refused),
    ("a NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", Refused),
    ("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nEvil\r\n\r\n", Refused),
    ("a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Refused),
    (
        "lines that bare LFs end are lines (RFC 9112 section 2.2)",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi",
        One("hi"),
    ),
    (
        "a bare LF ends the line of a length, and nothing is in it twice",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\nTransfer-Encoding: x\r\n\r\nhi",
        Refused,
    ),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refused),
    ("two hosts in one field", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refused),
    ("no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", Refused),
    ("a target that is another host's", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused),
    ("a host with a user in it", "GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", Refused),
    ("a space in the target", "GET /a HTTP/1.1 /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", Refused),
    ("a version that is none", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refused),
    ("no version", "GET /\r\nHost: a\r\n\r\n", Refused),
    ("HTTP/2's beginning", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused),
    (
        "a chunk's length with a sign",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk's length in a prefix",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk's length beyond all numbers",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\nx\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk longer than it says",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk that a bare LF begins",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk that a bare LF ends",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
        Refused,
    ),
    (
        "a bare LF in a chunk's extension",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk's extension is nobody's business",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
        One("x"),
    ),
    (
        "trailers stay here",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Evil\r\n\r\n1\r\nx\r\n0\r\nEvil: 1\r\nClient-Cert: :AA==:\r\n\r\n",
        One("x"),
    ),
    (
        "a GET with a body has it and is one",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r",
        One("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r"),
    ),
    (
        "a chunked GET has its body and is one",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        One("x"),
    ),
    (
        "an upgrade to HTTP/2 is not asked for further on",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        One(""),
    ),
    (
        "what Connection names is not said further on",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Evil\r\nEvil: 1\r\n\r\n",
        One(""),
    ),
];
