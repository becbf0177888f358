//! LDAP: the extended operation StartTLS (RFC 4511 section 4.14).

use crate::asn1::{Element, Head, head, short};
use crate::dialogue::{Dialogue, MOST_HEARD, Turn};
use crate::fault::Fault;

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server;

impl Dialogue for Server {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let Some((id, operation)) = message(frame) else { return Turn::fail(Fault::Malformed) };
        let refused = |answer| Turn::say(respond(id, answer, CONFIDENTIALITY_REQUIRED, &[]));
        match operation.tag {
            EXTENDED_REQUEST if is_starttls(&operation) => Turn::begin(respond(
                id,
                EXTENDED_RESPONSE,
                SUCCESS,
                &short(RESPONSE_NAME, &[STARTTLS]),
            )),
            UNBIND => Turn::fail(Fault::Left),
            ABANDON => Turn::nothing(),
            SEARCH => refused(SEARCH_DONE),
            // Each other answer stands behind its request.
            BIND | MODIFY | ADD | RENAME | COMPARE | EXTENDED_REQUEST => refused(operation.tag + 1),
            DELETE => refused(DELETE_RESPONSE),
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

/// Asks a server for TLS.
#[derive(Debug)]
pub(crate) struct Client;

impl Dialogue for Client {
    fn first(&mut self) -> Vec<u8> {
        let operation = short(EXTENDED_REQUEST, &[&short(REQUEST_NAME, &[STARTTLS])]);
        short(SEQUENCE, &[&short(INTEGER, &[&[1]]), &operation])
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let Some((_, operation)) = message(frame) else { return Turn::fail(Fault::Malformed) };
        let code = Element::read(operation.value).filter(|code| code.tag == ENUMERATED);
        match (operation.tag, code.map(|code| code.value)) {
            (EXTENDED_RESPONSE, Some([SUCCESS])) => Turn::begin(""),
            // It does not know the operation.
            (EXTENDED_RESPONSE, Some([PROTOCOL_ERROR])) => Turn::fail(Fault::NotOffered),
            (EXTENDED_RESPONSE, Some(code)) => {
                Turn::fail(Fault::Declined(format!("result {code:?}")))
            }
            _ => Turn::fail(Fault::Malformed),
        }
    }
}

fn cut(octets: &[u8]) -> Result<Option<usize>, Fault> {
    match head(octets) {
        Head::Whole(SEQUENCE, all) if all > MOST_HEARD => Err(Fault::TooLong),
        Head::Whole(SEQUENCE, all) => Ok((octets.len() >= all).then_some(all)),
        Head::Partial if octets.first().is_none_or(|first| *first == SEQUENCE) => Ok(None),
        _ => Err(Fault::Malformed),
    }
}

/// The number of a message, and its operation.
fn message(frame: &[u8]) -> Option<(&[u8], Element<'_>)> {
    let message = Element::read(frame)?;
    let id = Element::read(message.value)?;
    let is_id = id.tag == INTEGER && (1..=4).contains(&id.value.len());
    is_id.then(|| Element::read(id.rest))?.map(|operation| (id.value, operation))
}

fn is_starttls(operation: &Element<'_>) -> bool {
    let name = Element::read(operation.value);
    name.is_some_and(|name| {
        name.tag == REQUEST_NAME && name.value == STARTTLS && name.rest.is_empty()
    })
}

fn respond(id: &[u8], operation: u8, code: u8, more: &[u8]) -> Vec<u8> {
    let why = if code == SUCCESS { &b""[..] } else { b"StartTLS first" };
    let result =
        [&short(ENUMERATED, &[&[code]])[..], &short(OCTETS, &[]), &short(OCTETS, &[why])].concat();
    short(SEQUENCE, &[&short(INTEGER, &[id]), &short(operation, &[&result, more])])
}

const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const SEARCH_DONE: u8 = 0x65;
const MODIFY: u8 = 0x66;
const ADD: u8 = 0x68;
const DELETE: u8 = 0x4a;
const DELETE_RESPONSE: u8 = 0x6b;
const RENAME: u8 = 0x6c;
const COMPARE: u8 = 0x6e;
const ABANDON: u8 = 0x50;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const REQUEST_NAME: u8 = 0x80;
const RESPONSE_NAME: u8 = 0x8a;
const SUCCESS: u8 = 0;
const PROTOCOL_ERROR: u8 = 2;
const CONFIDENTIALITY_REQUIRED: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    /// As ldapsearch sends it.
    const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

    #[test]
    fn the_operation_is_written_as_others_write_it_and_read_in_long_form_too() {
        assert_eq!(Client.first(), REQUEST);
        assert!(matches!(Server.hear(REQUEST), Turn::Begin(_)));
        let long = b"\x30\x84\x00\x00\x00\x21\x02\x01\x07\x77\x84\x00\x00\x00\x18\x80\x161.3.6.1.4.1.1466.20037";
        assert_eq!(cut(long), Ok(Some(long.len())));
        let Turn::Begin(said) = Server.hear(long) else { panic!() };
        assert_eq!(said[..5], [0x30, said.len() as u8 - 2, 2, 1, 7]);
        assert_eq!(Client.hear(&said), Turn::begin(""));
    }

    #[test]
    fn a_bind_before_tls_hears_that_it_has_to_be_confidential() {
        let bind = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00";
        let Turn::Say(said) = Server.hear(bind) else { panic!() };
        assert_eq!(said[5..10], [0x61, 0x15, 0x0a, 1, CONFIDENTIALITY_REQUIRED]);
        let other = b"\x30\x1e\x02\x01\x01\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.1";
        let Turn::Say(said) = Server.hear(other) else {
            panic!("another operation is no StartTLS")
        };
        assert_eq!(said[5], 0x78);
        let unbind = b"\x30\x05\x02\x01\x03\x42\x00";
        assert_eq!(Server.hear(unbind), Turn::fail(Fault::Left));
    }

    #[test]
    fn an_unknown_operation_is_a_downgrade_and_a_busy_server_is_not() {
        let of = |code| Client.hear(&respond(&[1], EXTENDED_RESPONSE, code, &[]));
        assert_eq!(of(PROTOCOL_ERROR), Turn::fail(Fault::NotOffered));
        assert!(matches!(of(52), Turn::End(_, Fault::Declined(_))));
    }
}
