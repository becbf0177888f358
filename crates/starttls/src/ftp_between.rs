//! Between two sides of FTP, of which one is under TLS, or both: data connections are led through us, and the words that
//! bring them under TLS are said and heard here (RFC 4217).
//!
//! A service that waits for a data connection says where (`PASV`, RFC 959; `EPSV`, RFC 2428), and its client is told a door
//! of ours instead. Connections the other way, by `PORT` and `EPRT`, would pass us by and are refused. Not here: sockets;
//! a [`Doors`] opens them. Invariant: no place of the service's reaches the client, and what we answer ourselves is
//! answered in its turn.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};

use crate::between::{Between, Both};
use crate::doors::Doors;
use crate::fault::{Fault, quoted};
use crate::ftp_words::{Command, Way, extended_port, passive_port, place};
use crate::reply::ReplyLine;

/// Between two sides of a control connection.
pub(crate) struct Control {
    /// Said first.
    hello: String,
    is_settled: bool,
    client: Demands,
    /// Whether the service has yet to be told that its data connections are under TLS.
    tells_service: bool,
    doors: Option<Box<dyn Doors>>,
    /// Of the client's, a line that began; and of the service's.
    asks: Vec<u8>,
    says: Vec<u8>,
    awaited: VecDeque<Awaited>,
    /// The number of a reply of many lines that began.
    inside: Option<u16>,
}

/// What the client has to say of its data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demands {
    /// Nothing: they are in the clear, on this machine.
    Nothing,
    /// `PBSZ`, then `PROT`.
    Size,
    /// `PROT P`.
    Protection,
    /// It said all.
    Done,
}

/// What the next reply is for, or is.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    /// A command that is none of our business.
    Reply,
    Features,
    Door(Way),
    /// A command of our own.
    Own,
    /// It is said by us.
    Ours(&'static str),
}

impl Control {
    /// In front of a service in the clear, or one that `was_greeted` on its own way into TLS.
    pub(crate) fn behind(was_greeted: bool) -> Self {
        Self { client: Demands::Size, ..Self::new(String::new(), was_greeted, was_greeted) }
    }

    /// Between a program and a service under TLS.
    pub(crate) fn before(hello: String) -> Self {
        Self::new(hello, true, true)
    }

    fn new(hello: String, is_settled: bool, tells_service: bool) -> Self {
        Self {
            hello,
            is_settled,
            client: Demands::Nothing,
            tells_service,
            doors: None,
            asks: Vec::new(),
            says: Vec::new(),
            awaited: VecDeque::new(),
            inside: None,
        }
    }

    fn asked(&mut self, line: &[u8], out: &mut Both) -> Result<(), Fault> {
        let Some(command) = Command::read(line) else { return self.answer(NO_COMMAND, out) };
        let argument = command.argument.to_ascii_uppercase();
        let way = match (command.verb.as_str(), argument.as_slice()) {
            ("PASV", _) => Way::Passive,
            ("EPSV", b"ALL") => return self.pass(Awaited::Reply, command.line, out),
            ("EPSV", _) => Way::Extended,
            ("FEAT", _) => return self.pass(Awaited::Features, command.line, out),
            ("PORT" | "EPRT" | "LPRT" | "LPSV" | "SPSV", _) => {
                return self.answer(PASSIVE_ONLY, out);
            }
            ("AUTH" | "ADAT" | "MIC" | "CONF" | "ENC" | "CCC" | "REIN", _) => {
                return self.answer(STAYS, out);
            }
            ("PBSZ", _) => return self.size(out),
            ("PROT", level) => return self.protection(level, out),
            _ => return self.pass(Awaited::Reply, command.line, out),
        };
        match self.client {
            Demands::Size | Demands::Protection => self.answer(PROTECT_FIRST, out),
            Demands::Nothing | Demands::Done => self.ask_for_a_door(way, out),
        }
    }

    fn size(&mut self, out: &mut Both) -> Result<(), Fault> {
        match self.client {
            Demands::Nothing => return self.answer(OURS_ALREADY, out),
            Demands::Size => self.client = Demands::Protection,
            Demands::Protection | Demands::Done => {}
        }
        self.answer("200 PBSZ=0\r\n", out)
    }

    fn protection(&mut self, level: &[u8], out: &mut Both) -> Result<(), Fault> {
        match (self.client, level) {
            (Demands::Nothing, _) => self.answer(OURS_ALREADY, out),
            (Demands::Size, _) => self.answer("503 PBSZ first\r\n", out),
            (Demands::Protection | Demands::Done, b"P") => {
                self.client = Demands::Done;
                self.answer("200 data connections are under TLS\r\n", out)
            }
            (_, b"C") => self.answer("534 data connections are under TLS: PROT P\r\n", out),
            (_, b"S" | b"E") => self.answer("536 PROT P\r\n", out),
            _ => self.answer("504 PROT P\r\n", out),
        }
    }

    /// Those who take `PBSZ` and `PROT` from nobody but users have one by now.
    fn ask_for_a_door(&mut self, way: Way, out: &mut Both) -> Result<(), Fault> {
        if std::mem::take(&mut self.tells_service) {
            self.pass(Awaited::Own, b"PBSZ 0\r\n", out)?;
            self.pass(Awaited::Own, b"PROT P\r\n", out)?;
        }
        // The families of its addresses are those of the way to it, not of the client's.
        self.pass(Awaited::Door(way), way.command(), out)
    }

    fn pass(&mut self, awaited: Awaited, line: &[u8], out: &mut Both) -> Result<(), Fault> {
        out.to_service.extend_from_slice(line);
        self.awaits(awaited)
    }

    /// Says it, once everything that was asked before has its reply.
    fn answer(&mut self, text: &'static str, out: &mut Both) -> Result<(), Fault> {
        if self.awaited.is_empty() {
            out.to_client.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        self.awaits(Awaited::Ours(text))
    }

    fn awaits(&mut self, awaited: Awaited) -> Result<(), Fault> {
        if self.awaited.len() >= MOST_AWAITED {
            return Err(Fault::TooMany);
        }
        self.awaited.push_back(awaited);
        Ok(())
    }

    fn said(&mut self, line: &[u8], out: &mut Both) -> Result<(), Fault> {
        let reply = ReplyLine::read(line);
        if !self.is_settled {
            return self.greeted(line, reply, out);
        }
        match (self.inside, reply) {
            (None, Some(reply)) if !reply.is_last => {
                // Some read places from any line of a reply.
                if is_of_a_place(reply.code) {
                    return Err(Fault::Malformed);
                }
                self.inside = Some(reply.code);
                self.part(line, out);
                if matches!(self.awaited.front(), Some(Awaited::Features)) {
                    self.features(reply.code, out);
                }
            }
            (None, Some(reply)) => return self.reply(line, &reply, out),
            (Some(code), Some(reply)) if reply.is_last && reply.code == code => {
                self.inside = None;
                return self.reply(line, &reply, out);
            }
            _ => self.part(line, out),
        }
        Ok(())
    }

    /// A greeting that nobody waits for.
    fn greeted(
        &mut self,
        line: &[u8],
        reply: Option<ReplyLine<'_>>,
        out: &mut Both,
    ) -> Result<(), Fault> {
        let Some(reply) = reply.filter(|reply| reply.is_last && reply.code != 120) else {
            return Ok(());
        };
        if !reply.is_good() {
            out.to_client.extend_from_slice(line);
        }
        self.is_settled = true;
        Ok(())
    }

    /// A line that is no reply's last one.
    fn part(&self, line: &[u8], out: &mut Both) {
        match self.awaited.front() {
            Some(Awaited::Own) => {}
            Some(Awaited::Features) if names_what_is_ours(line) => {}
            _ => out.to_client.extend_from_slice(line),
        }
    }

    /// What a client under TLS looks for.
    fn features(&self, code: u16, out: &mut Both) {
        if code == 211 && self.client != Demands::Nothing {
            out.to_client.extend_from_slice(b" PBSZ\r\n PROT\r\n");
        }
    }

    fn reply(&mut self, line: &[u8], reply: &ReplyLine<'_>, out: &mut Both) -> Result<(), Fault> {
        if reply.code < 200 {
            self.part(line, out);
            return Ok(());
        }
        if is_of_a_place(reply.code) {
            self.skip_to_door(out)?;
        }
        let awaited = self.awaited.pop_front();
        match awaited {
            Some(Awaited::Door(way)) if is_of_a_place(reply.code) => self.door(way, reply, out)?,
            Some(Awaited::Own) if reply.is_good() => {}
            Some(Awaited::Own) => return Err(Fault::Declined(quoted(line))),
            _ => out.to_client.extend_from_slice(line),
        }
        self.say_ours(out);
        Ok(())
    }

    /// Services differ in how often they answer a transfer that is broken off: a place belongs to whoever asked for one.
    fn skip_to_door(&mut self, out: &mut Both) -> Result<(), Fault> {
        let is_door = |awaited: &Awaited| matches!(awaited, Awaited::Door(_));
        let at = self.awaited.iter().position(is_door).ok_or(Fault::Malformed)?;
        for skipped in self.awaited.drain(..at) {
            if let Awaited::Ours(text) = skipped {
                out.to_client.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }

    fn say_ours(&mut self, out: &mut Both) {
        while let Some(Awaited::Ours(text)) = self.awaited.front() {
            out.to_client.extend_from_slice(text.as_bytes());
            self.awaited.pop_front();
        }
    }

    fn door(&mut self, way: Way, reply: &ReplyLine<'_>, out: &mut Both) -> Result<(), Fault> {
        let port = match reply.code {
            227 => passive_port(reply.text),
            229 => extended_port(reply.text),
            _ => None,
        };
        let port = port.ok_or(Fault::Malformed)?;
        let door = self.doors.as_mut().and_then(|doors| doors.open(port));
        out.to_client.extend(place(way, door).into_bytes());
        Ok(())
    }
}

impl Between for Control {
    fn begin(&mut self, out: &mut Both) {
        out.to_client.extend(std::mem::take(&mut self.hello).into_bytes());
    }

    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        let (lines, rest) = lines(&mut self.asks, octets)?;
        self.asks = rest;
        lines.iter().try_for_each(|line| self.asked(line, out))
    }

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault> {
        let (lines, rest) = lines(&mut self.says, octets)?;
        self.says = rest;
        lines.iter().try_for_each(|line| self.said(line, out))
    }

    fn take_doors(&mut self, doors: Box<dyn Doors>) {
        self.doors = Some(doors);
    }

    fn is_settled(&self) -> bool {
        self.is_settled
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl Debug for Control {
    /// Without lines, in which passwords stand.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Control");
        all.field("client", &self.client).field("awaited", &self.awaited).finish_non_exhaustive()
    }
}

/// Whole lines of what began and what came, and the beginning of the next one.
fn lines(began: &mut Vec<u8>, octets: &[u8]) -> Result<(Vec<Vec<u8>>, Vec<u8>), Fault> {
    began.extend_from_slice(octets);
    let all = std::mem::take(began);
    let mut lines: Vec<Vec<u8>> =
        all.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    if lines.iter().any(|line| line.len() > LONGEST_LINE) {
        return Err(Fault::TooLong);
    }
    let rest = lines.pop_if(|last| !last.ends_with(b"\n")).unwrap_or_default();
    Ok((lines, rest))
}

/// Where a service waits: `PASV`, `LPSV`, `EPSV`.
fn is_of_a_place(code: u16) -> bool {
    (227..=229).contains(&code)
}

/// Whether a line of a list of features is about what is said and heard here.
fn names_what_is_ours(line: &[u8]) -> bool {
    let feature = line.trim_ascii().to_ascii_uppercase();
    let word = feature.split(|octet| *octet == b' ').next().unwrap_or_default();
    line.starts_with(b" ") && [&b"AUTH"[..], b"PBSZ", b"PROT", b"CCC", b"EPRT"].contains(&word)
}

const NO_COMMAND: &str = "500 that is no command\r\n";
const PASSIVE_ONLY: &str =
    "502 data connections are led through here by PASV or EPSV alone; use passive mode\r\n";
const STAYS: &str = "534 TLS is there, and stays as it is\r\n";
const PROTECT_FIRST: &str = "521 data connections are under TLS: PBSZ 0 and PROT P first\r\n";
const OURS_ALREADY: &str = "503 TLS is spoken for you; connect without\r\n";
/// Of what is asked in a row, far more than any client does.
const MOST_AWAITED: usize = 64;
/// Longer than any path.
const LONGEST_LINE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Protocol, Relay};

    #[test]
    fn a_service_in_the_clear_hears_nothing_of_tls_and_its_place_is_ours_to_the_client() {
        let mut talk = Talk::behind(false);
        assert_eq!(talk.service("220-hi\r\n220 vsFTPd\r\n"), ("", ""));
        assert_eq!(talk.client("USER a\r\n"), ("", "USER a\r\n"));
        assert_eq!(talk.service("331 who\r\n"), ("331 who\r\n", ""));
        assert_eq!(talk.client("PASV\r\n"), (PROTECT_FIRST, ""));
        assert_eq!(talk.client("PROT P\r\n"), ("503 PBSZ first\r\n", ""));
        assert_eq!(
            talk.client("PBSZ 0\r\nPROT C\r\n").0,
            "200 PBSZ=0\r\n534 data connections are under TLS: PROT P\r\n"
        );
        assert!(talk.client("prot p\r\n").0.starts_with("200 "));
        assert_eq!(talk.client("PASV\r\n"), ("", "PASV\r\n"));
        let told = talk.service("227 Entering Passive Mode (10,0,0,7,200,10).\r\n");
        assert_eq!(told, ("227 Entering Passive Mode (192,0,2,1,156,64).\r\n", ""));
        assert_eq!(talk.client("EPSV 2\r\n"), ("", "EPSV\r\n"));
        assert_eq!(
            talk.service("229 x (|||51210|)\r\n").0,
            "229 Entering Extended Passive Mode (|||40000|)\r\n"
        );
        assert_eq!(talk.opened(), [51_210, 51_210]);
    }

    #[test]
    fn a_service_under_tls_is_told_once_that_its_data_connections_are_as_well() {
        let mut talk = Talk::before();
        assert_eq!(talk.begin(), "220 ftp.test ready\r\n");
        assert_eq!(talk.client("AUTH TLS\r\n"), (STAYS, ""));
        assert_eq!(talk.client("PROT P\r\n"), (OURS_ALREADY, ""));
        assert_eq!(talk.client("EPSV\r\n"), ("", "PBSZ 0\r\nPROT P\r\nEPSV\r\n"));
        assert_eq!(talk.service("200 PBSZ\r\n200-a\r\n200 PROT\r\n"), ("", ""));
        assert_eq!(
            talk.service("229 x (!!!3000!)\r\n").0,
            "229 Entering Extended Passive Mode (|||40000|)\r\n"
        );
        assert_eq!(talk.client("EPSV\r\n"), ("", "EPSV\r\n"));
        let mut talk = Talk::before();
        talk.client("PASV\r\n");
        let declined = talk.relay.service_says(b"200 ok\r\n536 no\r\n", &mut Both::default());
        assert_eq!(declined, Err(Fault::Declined("536 no".into())));
    }

    #[test]
    fn what_would_pass_us_by_is_refused_in_its_turn_and_reaches_nobody() {
        let mut talk = Talk::behind(true);
        for past in ["PORT 1,2,3,4,5,6", "eprt |1|1.2.3.4|5|", "LPRT 4", "LPSV", "SPSV"] {
            assert_eq!(talk.client(&format!("{past}\r\n")), (PASSIVE_ONLY, ""));
        }
        for odd in [" PORT 1,2,3,4,5,6", "P@SW", "NOOP\rPORT 1,2", "PO\0RT 1", "", "\u{ff}PORT 1"] {
            assert_eq!(talk.client(&format!("{odd}\r\n")), (NO_COMMAND, ""), "{odd:?}");
        }
        for stays in ["CCC", "AUTH SSL", "REIN"] {
            assert_eq!(talk.client(&format!("{stays}\r\n")), (STAYS, ""));
        }
        assert_eq!(talk.client("RETR a\r\nPORT 1,2,3,4,5,6\r\n"), ("", "RETR a\r\n"));
        assert_eq!(talk.service("150 go\r\n"), ("150 go\r\n", ""));
        let ended = talk.service("226 done\r\n");
        assert_eq!(ended, (&*format!("226 done\r\n{PASSIVE_ONLY}"), ""));
    }

    #[test]
    fn a_place_that_nobody_asked_for_ends_the_connection() {
        let place = "227 Entering Passive Mode (10,0,0,7,200,10)\r\n";
        for unasked in [place, "229 (|||1|)\r\n", "228 x\r\n", "227-(1,2,3,4,5,6)\r\n227 x\r\n"] {
            let mut talk = Talk::behind(true);
            let outcome = talk.relay.service_says(unasked.as_bytes(), &mut Both::default());
            assert_eq!(outcome, Err(Fault::Malformed), "{unasked}");
        }
        let mut talk = Talk::behind(true);
        talk.client("STAT\r\n");
        let listed = format!("211-Files\r\n{place}211 End\r\n");
        assert_eq!(talk.service(&listed), (&*listed, ""), "it is a line of a list");
    }

    #[test]
    fn a_transfer_that_is_broken_off_may_be_answered_once_or_twice() {
        for answers in ["426 broken\r\n226 ok\r\n", "226 ok\r\n"] {
            let mut talk = Talk::behind(true);
            talk.client("PBSZ 0\r\nPROT P\r\nRETR a\r\n");
            assert_eq!(talk.client_octets(b"\xff\xf4\xff\xf2ABOR\r\n"), ("", "ABOR\r\n"));
            talk.service(answers);
            talk.client("EPSV\r\n");
            talk.service("200 ok\r\n200 ok\r\n");
            let told = talk.service("229 x (|||51210|)\r\n");
            assert!(told.0.ends_with("(|||40000|)\r\n"), "{told:?}");
        }
    }

    #[test]
    fn features_are_those_that_a_client_behind_us_finds() {
        let mut talk = Talk::behind(true);
        talk.client("FEAT\r\n");
        let said =
            talk.service("211-Features:\r\n AUTH TLS\r\n EPRT\r\n EPSV\r\n PBSZ\r\n211 End\r\n");
        assert_eq!(said.0, "211-Features:\r\n PBSZ\r\n PROT\r\n EPSV\r\n211 End\r\n");
    }

    #[test]
    fn without_a_door_the_client_hears_that_there_is_none() {
        let mut relay = Relay::before(Protocol::Ftp, "ftp.test", &[]);
        let mut out = Both::default();
        relay.client_says(b"EPSV\r\n", &mut out).unwrap();
        relay.service_says(b"200 a\r\n200 b\r\n229 x (|||1234|)\r\n", &mut out).unwrap();
        assert!(out.to_client.starts_with(b"425 "), "{out:?}");
    }

    #[test]
    fn who_asks_without_hearing_or_has_no_end_is_given_up() {
        let mut talk = Talk::behind(true);
        let asks = b"NOOP\r\n".repeat(MOST_AWAITED + 1);
        assert_eq!(talk.relay.client_says(&asks, &mut Both::default()), Err(Fault::TooMany));
        let mut talk = Talk::behind(true);
        let long = vec![b'a'; LONGEST_LINE + 1];
        assert_eq!(talk.relay.client_says(&long, &mut Both::default()), Err(Fault::TooLong));
        assert_eq!(talk.relay.service_says(&long, &mut Both::default()), Err(Fault::TooLong));
    }

    /// A relay, and what each side was told last.
    struct Talk {
        relay: Relay,
        opened: Arc<Mutex<Vec<u16>>>,
        told: (String, String),
    }

    #[derive(Debug)]
    struct Opens(Arc<Mutex<Vec<u16>>>);

    impl Doors for Opens {
        fn open(&mut self, service_port: u16) -> Option<SocketAddr> {
            self.0.lock().unwrap().push(service_port);
            Some("192.0.2.1:40000".parse().unwrap())
        }
    }

    impl Talk {
        fn behind(was_greeted: bool) -> Self {
            Self::of(Relay::behind(Protocol::Ftp, was_greeted, None))
        }

        fn before() -> Self {
            Self::of(Relay::before(Protocol::Ftp, "ftp.test", &[]))
        }

        fn of(relay: Relay) -> Self {
            let opened = Arc::default();
            let doors = Box::new(Opens(Arc::clone(&opened)));
            Self { relay: relay.with_doors(doors), opened, told: Default::default() }
        }

        fn begin(&mut self) -> String {
            String::from_utf8(self.relay.begin().to_client).unwrap()
        }

        fn client(&mut self, text: &str) -> (&str, &str) {
            self.client_octets(text.as_bytes())
        }

        fn client_octets(&mut self, octets: &[u8]) -> (&str, &str) {
            let mut out = Both::default();
            self.relay.client_says(octets, &mut out).unwrap();
            self.told(out)
        }

        fn service(&mut self, text: &str) -> (&str, &str) {
            let mut out = Both::default();
            self.relay.service_says(text.as_bytes(), &mut out).unwrap();
            self.told(out)
        }

        fn told(&mut self, out: Both) -> (&str, &str) {
            let text = |octets| String::from_utf8(octets).unwrap();
            self.told = (text(out.to_client), text(out.to_service));
            (&self.told.0, &self.told.1)
        }

        fn opened(&self) -> Vec<u16> {
            self.opened.lock().unwrap().clone()
        }
    }
}
