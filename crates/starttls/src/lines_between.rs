//! Between two sides that speak in lines: a greeting that nobody waits for is taken away, and from offers what holds no
//! longer.
//!
//! Not here: what an offer is (`offers`). Invariant: a line that is no offer passes as it is, and nothing is looked at
//! any more once the client goes about what it came for.

use crate::between::{Between, Both};
use crate::fault::Fault;
use crate::line;
use crate::offers::{Rule, Settling};

/// Between two sides that speak in lines.
#[derive(Debug)]
pub(crate) struct LinesBetween<R> {
    rule: R,
    stage: Stage,
    /// The beginning of a line of the service's.
    service: Vec<u8>,
    /// The beginning of a line of the client's, as far as a command takes.
    client: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The service's greeting is awaited.
    Settling,
    /// Offers may come.
    Offers,
    /// The same, in the middle of a line that is too long to be one.
    LongLine,
    Done,
}

impl<R: Rule> LinesBetween<R> {
    pub(crate) fn new(rule: R, was_greeted: bool) -> Self {
        let stage = if was_greeted { Stage::Offers } else { Stage::Settling };
        Self { rule, stage, service: Vec::new(), client: Vec::new() }
    }

    fn line(&mut self, line: &[u8], out: &mut Both) -> Result<(), Fault> {
        match self.stage {
            Stage::Offers if line.len() > LONGEST_LINE => {
                self.rule.finish(&mut out.to_client);
                out.to_client.extend_from_slice(line);
            }
            Stage::Settling => {
                if self.rule.settle(line, out)? == Settling::Settled {
                    self.stage = Stage::Offers;
                }
            }
            Stage::LongLine => {
                out.to_client.extend_from_slice(line);
                self.stage = Stage::Offers;
            }
            Stage::Offers => self.rule.offer(line, &mut out.to_client),
            Stage::Done => out.to_client.extend_from_slice(line),
        }
        Ok(())
    }

    /// Whether the client's octets hold a command after which no offers come.
    fn is_about_it(&mut self, octets: &[u8]) -> bool {
        for octet in octets {
            if *octet == b'\n' {
                let about_it = self.rule.is_about_it(line::bare(&self.client));
                self.client.clear();
                if about_it {
                    return true;
                }
            } else if self.client.len() < LONGEST_COMMAND {
                self.client.push(*octet);
            }
        }
        false
    }
}

impl<R: Rule> Between for LinesBetween<R> {
    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_service.extend_from_slice(octets);
        if self.is_about_it(octets) {
            self.rule.finish(&mut out.to_client);
            out.to_client.append(&mut self.service);
            self.stage = Stage::Done;
        }
        Ok(())
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        self.service.extend_from_slice(octets);
        let octets = std::mem::take(&mut self.service);
        let mut rest = &octets[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end + 1);
            self.line(line, out)?;
            rest = behind;
        }
        match self.stage {
            Stage::Settling if rest.len() > LONGEST_LINE => return Err(Fault::TooLong),
            Stage::Offers if rest.len() > LONGEST_LINE => {
                self.rule.finish(&mut out.to_client);
                self.stage = Stage::LongLine;
            }
            _ => {}
        }
        match self.stage {
            Stage::LongLine | Stage::Done => out.to_client.extend_from_slice(rest),
            Stage::Settling | Stage::Offers => self.service = rest.to_vec(),
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.stage != Stage::Settling
    }

    fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }
}

/// More than any list of capabilities.
const LONGEST_LINE: usize = 8 * 1024;
/// As much of a client's line as tells its command.
const LONGEST_COMMAND: usize = 128;
