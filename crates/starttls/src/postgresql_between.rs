//! Between a program and a PostgreSQL server whose TLS began here: the program may ask whether to encrypt, and hears no.

use crate::between::{Between, Both};
use crate::dialogue::Dialogue as _;
use crate::fault::Fault;
use crate::postgresql::{Server, asks_to_encrypt};

/// Until the program begins its session.
#[derive(Debug, Default)]
pub(crate) struct Startup {
    heard: Vec<u8>,
    is_done: bool,
}

impl Between for Startup {
    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        self.heard.extend_from_slice(octets);
        while let Some(end) = Server.cut(&self.heard)? {
            if !asks_to_encrypt(&self.heard[..end]) {
                self.is_done = true;
                out.to_service.append(&mut self.heard);
                return Ok(());
            }
            self.heard.drain(..end);
            out.to_client.push(b'N');
        }
        Ok(())
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_client.extend_from_slice(octets);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

#[cfg(test)]
mod tests {
    use crate::{Protocol, Relay};

    #[test]
    fn a_program_that_asks_for_tls_hears_no_and_begins() {
        let ask = [8, 80_877_103, 8, 80_877_104].map(u32::to_be_bytes).concat();
        let begin = b"\0\0\0\x0d\0\x03\0\0a\0b\0\0Q";
        let all = [&ask[..], begin].concat();
        for piece in 1..all.len() {
            let mut relay = Relay::before(Protocol::Postgresql, "db.test", &[]);
            let mut out = relay.begin();
            all.chunks(piece).for_each(|piece| relay.client_says(piece, &mut out).unwrap());
            assert_eq!((&out.to_client[..], &out.to_service[..]), (&b"NN"[..], &begin[..]));
            assert!(relay.is_done());
        }
    }
}
