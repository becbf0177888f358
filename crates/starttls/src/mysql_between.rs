//! A MySQL login of which one side knows nothing of TLS: the request for TLS was one of its messages, and the other side
//! counts it. So numbers are one further on there, until the login is over.

use crate::between::{Between, Both};
use crate::fault::Fault;
use crate::mysql::{COMMON, HEAD, SSL, cut, masked};

/// Until the login is over.
#[derive(Debug)]
pub(crate) struct Login {
    /// What the client counts more than the service.
    ahead: i8,
    greeting: Vec<u8>,
    client: Vec<u8>,
    service: Vec<u8>,
    has_begun: bool,
    is_done: bool,
}

impl Login {
    /// Of a program in the clear, at a service under TLS that greets so.
    pub(crate) fn before(greeting: &[u8]) -> Self {
        Self::new(-1, masked(greeting, COMMON))
    }

    /// Of a client whose TLS ended here, at a backend in the clear.
    pub(crate) fn behind() -> Self {
        Self::new(1, Vec::new())
    }

    fn new(ahead: i8, greeting: Vec<u8>) -> Self {
        let (client, service) = (Vec::new(), Vec::new());
        Self { ahead, greeting, client, service, has_begun: false, is_done: false }
    }

    /// The first message says whether there is TLS.
    fn set_tls(&mut self, message: &mut [u8]) {
        let second = message.get_mut(HEAD + 1).filter(|_| !self.has_begun);
        if let Some(octet) = second {
            let tls = (SSL >> 8) as u8;
            *octet = if self.ahead < 0 { *octet | tls } else { *octet & !tls };
        }
        self.has_begun = true;
    }
}

impl Between for Login {
    fn begin(&mut self, out: &mut Both) {
        out.to_client.append(&mut self.greeting);
    }

    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        self.client.extend_from_slice(octets);
        while let Some(end) = cut(&self.client)? {
            let mut message: Vec<u8> = self.client.drain(..end).collect();
            message[3] = message[3].wrapping_add_signed(-self.ahead);
            self.set_tls(&mut message);
            out.to_service.append(&mut message);
        }
        Ok(())
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        self.service.extend_from_slice(octets);
        while !self.is_done
            && let Some(end) = cut(&self.service)?
        {
            let mut message: Vec<u8> = self.service.drain(..end).collect();
            message[3] = message[3].wrapping_add_signed(self.ahead);
            self.is_done = matches!(message.get(HEAD), Some(&OK | &ERROR));
            out.to_client.append(&mut message);
        }
        if self.is_done {
            out.to_client.append(&mut self.service);
            out.to_service.append(&mut self.client);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

const OK: u8 = 0;
const ERROR: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::tests::greeting;
    use crate::{Protocol, Relay};

    #[test]
    fn a_program_counts_as_if_there_were_no_tls() {
        let mut relay = Relay::before(Protocol::Mysql, "db.test", &greeting(0x81ff_ffff));
        let mut out = relay.begin();
        let mut offered = greeting(0x000f_a205);
        // MariaDB's own capabilities.
        offered.iter_mut().filter(|octet| **octet == 0x1d).for_each(|octet| *octet = 0);
        assert_eq!(out.to_client, offered);
        out = Both::default();
        relay.client_says(b"\x03\0\0\x01a\0c", &mut out).unwrap();
        assert_eq!(out.to_service, b"\x03\0\0\x02a\x08c");
        relay.service_says(b"\x01\0\0\x03\xfe\x01\0\0\x04\0\x01\0\0\x01x", &mut out).unwrap();
        assert_eq!(out.to_client, b"\x01\0\0\x02\xfe\x01\0\0\x03\0\x01\0\0\x01x");
        assert!(relay.is_done());
    }
    #[test]
    fn a_backend_in_the_clear_counts_as_if_there_were_no_tls() {
        let mut relay = Relay::behind(Protocol::Mysql, false, None);
        let mut out = relay.begin();
        relay.client_says(b"\x03\0\0\x02a\xffc\x01\0\0\x04x", &mut out).unwrap();
        assert_eq!(out.to_service, b"\x03\0\0\x01a\xf7c\x01\0\0\x03x");
        relay.service_says(b"\x01\0\0\x02\xfe\x01\0\0\x04\0", &mut out).unwrap();
        assert_eq!(out.to_client, b"\x01\0\0\x03\xfe\x01\0\0\x05\0");
        assert!(relay.is_done());
        assert!(Relay::behind(Protocol::Mysql, true, None).is_done(), "it counts TLS as well");
    }
}
