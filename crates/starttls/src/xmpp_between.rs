//! The first features of a stream inside TLS, without those that hold no longer.

use crate::between::{Between, Both};
use crate::fault::Fault;
use crate::line::binds_channel;
use crate::xml::{self, Kind, Tag};

/// Between a client whose TLS ended here and its server, until that has said what it offers.
#[derive(Debug, Default)]
pub(crate) struct Features {
    heard: Vec<u8>,
    /// An element that is looked at whole.
    kept: Vec<u8>,
    keeps: Option<Keeps>,
    is_done: bool,
}

/// Which element it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// One that goes.
    Gone(Gone),
    /// One that goes if it binds the channel.
    Mechanism,
}

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Tls,
    Bindings,
}

impl Gone {
    fn name(self) -> &'static str {
        match self {
            Self::Tls => "starttls",
            Self::Bindings => "sasl-channel-binding",
        }
    }
}

impl Features {
    fn frame(&mut self, frame: &[u8], out: &mut Both) -> Result<(), Fault> {
        let tag = if frame.first() == Some(&b'<') { Tag::read(frame)? } else { None };
        let name = tag.as_ref().map_or("", |tag| tag.name.as_str());
        let kind = tag.as_ref().map(|tag| tag.kind);
        match (self.keeps, kind) {
            (None, Some(Kind::Open)) => self.opens(name),
            (None, Some(Kind::Alone)) if is_gone(name).is_some() => return Ok(()),
            _ => {}
        }
        let Some(keeps) = self.keeps else {
            out.to_client.extend_from_slice(frame);
            self.is_done = name == "features" && kind != Some(Kind::Open);
            return Ok(());
        };
        self.kept.extend_from_slice(frame);
        let closes = match keeps {
            Keeps::Gone(gone) => name == gone.name(),
            Keeps::Mechanism => name == "mechanism",
        };
        if closes && kind == Some(Kind::Close) {
            self.close(keeps, out);
        }
        Ok(())
    }

    fn opens(&mut self, name: &str) {
        self.keeps = match name {
            "mechanism" => Some(Keeps::Mechanism),
            name => is_gone(name).map(Keeps::Gone),
        };
    }

    fn close(&mut self, keeps: Keeps, out: &mut Both) {
        let kept = std::mem::take(&mut self.kept);
        self.keeps = None;
        let text = String::from_utf8_lossy(&kept);
        let mechanism = text.split(['<', '>']).nth(2).unwrap_or("").trim();
        if keeps == Keeps::Mechanism && !binds_channel(mechanism) {
            out.to_client.extend(kept);
        }
    }
}

fn is_gone(name: &str) -> Option<Gone> {
    [Gone::Tls, Gone::Bindings].into_iter().find(|gone| gone.name() == name)
}

impl Between for Features {
    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_service.extend_from_slice(octets);
        Ok(())
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        self.heard.extend_from_slice(octets);
        while !self.is_done
            && let Some(end) = xml::cut(&self.heard)
        {
            let frame: Vec<u8> = self.heard.drain(..end).collect();
            self.frame(&frame, out)?;
        }
        if self.is_done {
            out.to_client.append(&mut self.heard);
        }
        match self.heard.len() + self.kept.len() > LONGEST {
            true => Err(Fault::TooLong),
            false => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Relay};

    #[test]
    fn features_come_without_tls_and_channel_binding_in_whatever_pieces() {
        let head = "<?xml version='1.0'?><stream:stream id='1'>";
        let first = format!(
            "{head}<stream:features><starttls xmlns='urn:x'><required/></starttls><mechanisms xmlns='urn:y'>\
             <mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism></mechanisms>\
             <sasl-channel-binding xmlns='z'><channel-binding type='tls-exporter'/></sasl-channel-binding><b/>\
             </stream:features>"
        );
        let rest = "<message><starttls/></message>";
        let expected = format!(
            "{head}<stream:features><mechanisms xmlns='urn:y'><mechanism>PLAIN</mechanism></mechanisms><b/>\
             </stream:features>{rest}"
        );
        let all = first + rest;
        for piece in 1..all.len() {
            let mut relay = Relay::behind(Protocol::Xmpp, true, None);
            let mut out = Both::default();
            all.as_bytes()
                .chunks(piece)
                .for_each(|piece| relay.service_says(piece, &mut out).unwrap());
            assert_eq!(String::from_utf8(out.to_client).unwrap(), expected);
            assert!(relay.is_done());
        }
    }
}
