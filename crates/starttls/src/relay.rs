//! What stands between the two sides once one of them is under TLS, for as long as they would notice.
//!
//! Behind TLS that ended here ([`Relay::behind`]) the client has been greeted and the backend greets as well, and offers
//! what its client has done already. In front of TLS that began here ([`Relay::before`]) a program waits for a greeting,
//! which the service gave before.
//!
//! 1. [`Relay::begin`];
//! 2. octets of the service through [`Relay::service_says`], until [`Relay::is_settled`]: the client is not heard before;
//! 3. octets of both sides through it, until [`Relay::is_done`]: from there on they pass as they are.
//!
//! Invariant: nothing that was heard in the clear is said again, but for a greeting that passwords depend on, which
//! proves itself by them.

use crate::between::{Between, Both, Introduction};
use crate::doors::Doors;
use crate::fault::Fault;
use crate::lines_between::LinesBetween;
use crate::offers;
use crate::protocol::Protocol;
use crate::{ftp_between, mysql_between, postgresql_between, xmpp_between};

/// What stands between the two sides.
#[derive(Debug)]
pub struct Relay(Option<Box<dyn Between>>);

impl Relay {
    /// Between a client whose TLS ended here and its backend, which `was_greeted` on a way into TLS of its own, or is
    /// in the clear.
    pub fn behind(
        protocol: Protocol,
        was_greeted: bool,
        introduction: Option<Introduction>,
    ) -> Self {
        let mail = |name| offers::Mail::new(name, introduction.clone());
        Self(match protocol {
            Protocol::Smtp | Protocol::Submission => Some(lines(mail("EHLO"), was_greeted)),
            Protocol::Lmtp => Some(lines(mail("LHLO"), was_greeted)),
            Protocol::Imap => Some(lines(offers::Imap, was_greeted)),
            Protocol::Pop3 => Some(lines(offers::Pop3, was_greeted)),
            // The list of capabilities that follows TLS is the greeting.
            Protocol::Sieve => Some(lines(offers::Sieve, true)),
            Protocol::Nntp => Some(lines(offers::Nntp, was_greeted)),
            Protocol::Irc => Some(lines(offers::Irc, true)),
            Protocol::Xmpp | Protocol::XmppServer => {
                Some(Box::new(xmpp_between::Features::default()))
            }
            Protocol::Ftp => Some(Box::new(ftp_between::Control::behind(was_greeted))),
            Protocol::Mysql if !was_greeted => Some(Box::new(mysql_between::Login::behind())),
            Protocol::Ldap | Protocol::Postgresql | Protocol::Mysql => None,
        })
    }

    /// Between a program and a service of this name whose TLS began here; with the service's own greeting, where the
    /// protocol [`Protocol::greets_for_good`].
    pub fn before(protocol: Protocol, host: &str, greeting: &[u8]) -> Self {
        let hello = match protocol {
            Protocol::Smtp | Protocol::Submission => format!("220 {host} ESMTP\r\n"),
            Protocol::Lmtp => format!("220 {host} LMTP\r\n"),
            Protocol::Imap => format!("* OK {host} ready\r\n"),
            Protocol::Pop3 => format!("+OK {host} ready\r\n"),
            Protocol::Nntp => format!("200 {host} ready\r\n"),
            Protocol::Ftp => {
                let hello = format!("220 {host} ready\r\n");
                return Self(Some(Box::new(ftp_between::Control::before(hello))));
            }
            Protocol::Postgresql => {
                return Self(Some(Box::new(postgresql_between::Startup::default())));
            }
            Protocol::Mysql => {
                return Self(Some(Box::new(mysql_between::Login::before(greeting))));
            }
            Protocol::Sieve
            | Protocol::Ldap
            | Protocol::Xmpp
            | Protocol::XmppServer
            | Protocol::Irc => return Self(None),
        };
        Self(Some(Box::new(Hello(hello))))
    }

    /// Nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// With doors for connections beside it, where the protocol has such.
    #[must_use]
    pub fn with_doors(mut self, doors: Box<dyn Doors>) -> Self {
        if let Some(between) = &mut self.0 {
            between.take_doors(doors);
        }
        self
    }

    /// What is said first.
    pub fn begin(&mut self) -> Both {
        let mut out = Both::default();
        if let Some(between) = &mut self.0 {
            between.begin(&mut out);
        }
        out
    }

    /// Takes what came from the client, or program.
    ///
    /// # Errors
    /// Where the connection is to end.
    pub fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        match &mut self.0 {
            Some(between) if !between.is_done() => between.client_says(octets, out),
            _ => {
                out.to_service.extend_from_slice(octets);
                Ok(())
            }
        }
    }

    /// Takes what came from the service.
    ///
    /// # Errors
    /// Where the connection is to end.
    pub fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        match &mut self.0 {
            Some(between) if !between.is_done() => between.service_says(octets, out),
            _ => {
                out.to_client.extend_from_slice(octets);
                Ok(())
            }
        }
    }

    /// Whether the client may be heard.
    pub fn is_settled(&self) -> bool {
        self.0.as_ref().is_none_or(|between| between.is_done() || between.is_settled())
    }

    /// Whether all octets pass as they are.
    pub fn is_done(&self) -> bool {
        self.0.as_ref().is_none_or(|between| between.is_done())
    }
}

fn lines<R: offers::Rule + 'static>(rule: R, was_greeted: bool) -> Box<dyn Between> {
    Box::new(LinesBetween::new(rule, was_greeted))
}

/// A greeting, and nothing else.
#[derive(Debug)]
struct Hello(String);

impl Between for Hello {
    fn begin(&mut self, out: &mut Both) {
        out.to_client.extend(std::mem::take(&mut self.0).into_bytes());
    }

    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_service.extend_from_slice(octets);
        Ok(())
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_client.extend_from_slice(octets);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}
