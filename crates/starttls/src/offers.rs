//! What services offer that holds no longer once TLS has ended in front of them: TLS itself, and mechanisms that bind a
//! password to the channel, which is another one here than there.
//!
//! Not here: where a line ends (`lines_between`). Each rule says how a greeting ends, what becomes of a line, and which
//! command of the client's means that it has read the offers.

use std::fmt::Debug;

use crate::between::{Both, Introduction};
use crate::fault::Fault;
use crate::line::{bare, binds_channel, command};
use crate::reply::ReplyLine;

/// What one protocol's offers are.
pub(crate) trait Rule: Debug + Send {
    /// A line of the service's before the client is heard.
    fn settle(&mut self, line: &[u8], out: &mut Both) -> Result<Settling, Fault>;

    /// A line of the service's; what the client gets of it.
    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>);

    /// What was kept back.
    fn finish(&mut self, _: &mut Vec<u8>) {}

    /// Whether the client goes about what it came for.
    fn is_about_it(&self, command: &[u8]) -> bool;
}

/// Whether the client may be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    More,
    Settled,
}

/// SMTP and LMTP. A server says nothing but replies, so that all of them can be looked at.
#[derive(Debug)]
pub(crate) struct Mail {
    hello: &'static str,
    introduction: Option<Introduction>,
    stage: Introducing,
    /// The line before, which may turn out to be the last one.
    kept: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Introducing {
    Greeting,
    Hello { taken: String },
    Taken,
}

impl Mail {
    pub(crate) fn new(hello: &'static str, introduction: Option<Introduction>) -> Self {
        Self { hello, introduction, stage: Introducing::Greeting, kept: None }
    }

    fn introduce(&mut self, taken: &str, out: &mut Both) -> Result<Settling, Fault> {
        let (Some(client), false) = (&self.introduction, taken.is_empty()) else {
            return Err(Fault::NotIntroduced);
        };
        let takes = |word: &str| taken.split(' ').any(|one| one.eq_ignore_ascii_case(word));
        let version = if client.source.is_ipv6() { "IPV6:" } else { "" };
        let mut said = format!("XCLIENT ADDR={version}{} NAME=[UNAVAILABLE]", client.source.ip());
        if takes("PORT") {
            said += &format!(" PORT={}", client.source.port());
        }
        match &client.login {
            Some(login) if takes("LOGIN") => said += &format!(" LOGIN={}", xtext(login)),
            _ => {}
        }
        out.to_service.extend((said + "\r\n").into_bytes());
        self.stage = Introducing::Taken;
        Ok(Settling::More)
    }
}

impl Rule for Mail {
    fn settle(&mut self, line: &[u8], out: &mut Both) -> Result<Settling, Fault> {
        let reply = ReplyLine::read(line).ok_or(Fault::Malformed)?;
        match (self.stage.clone(), reply.is_last) {
            (Introducing::Greeting | Introducing::Taken, _) if !reply.is_good() => {
                out.to_client.extend_from_slice(line);
                Ok(if reply.is_last { Settling::Settled } else { Settling::More })
            }
            (Introducing::Greeting, true) if self.introduction.is_some() => {
                self.stage = Introducing::Hello { taken: String::new() };
                out.to_service.extend(format!("{} localhost\r\n", self.hello).into_bytes());
                Ok(Settling::More)
            }
            (Introducing::Greeting | Introducing::Taken, true) => Ok(Settling::Settled),
            (Introducing::Greeting | Introducing::Taken, false) => Ok(Settling::More),
            (Introducing::Hello { mut taken }, is_last) => {
                let text = String::from_utf8_lossy(reply.text);
                if let Some(words) = text.strip_prefix("XCLIENT ") {
                    words.clone_into(&mut taken);
                }
                if is_last {
                    return self.introduce(&taken, out);
                }
                self.stage = Introducing::Hello { taken };
                Ok(Settling::More)
            }
        }
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        let reply = ReplyLine::read(line).filter(|reply| reply.code == 250);
        let Some(reply) = reply else {
            self.finish(to_client);
            return to_client.extend_from_slice(line);
        };
        let offer = without_binding(reply.text, "AUTH ", " ");
        let gone = reply.text.eq_ignore_ascii_case(b"STARTTLS");
        let line = offer.map_or_else(
            || line.to_vec(),
            |text| format!("250{}{text}\r\n", if reply.is_last { ' ' } else { '-' }).into_bytes(),
        );
        match (gone, reply.is_last) {
            (true, false) => {}
            (true, true) => {
                let mut last = self.kept.take().unwrap_or_else(|| b"250 ok\r\n".to_vec());
                last[3] = b' ';
                to_client.extend(last);
            }
            (false, is_last) => {
                self.finish(to_client);
                match is_last {
                    true => to_client.extend(line),
                    false => self.kept = Some(line),
                }
            }
        }
    }

    fn finish(&mut self, to_client: &mut Vec<u8>) {
        to_client.extend(self.kept.take().unwrap_or_default());
    }

    fn is_about_it(&self, _: &[u8]) -> bool {
        false
    }
}

/// As RFC 1891 section 5 writes what may be anything.
fn xtext(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'+' && b != b'=';
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("+{b:02X}") })
        .collect()
}

/// IMAP, until somebody says who he is.
#[derive(Debug)]
pub(crate) struct Imap;

impl Rule for Imap {
    fn settle(&mut self, line: &[u8], out: &mut Both) -> Result<Settling, Fault> {
        let (mark, rest) = command(line);
        match (mark.as_str(), command(rest.as_bytes()).0.as_str()) {
            ("*", "OK" | "PREAUTH") => {}
            ("*", _) => out.to_client.extend_from_slice(line),
            _ => return Err(Fault::Malformed),
        }
        Ok(Settling::Settled)
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(bare(line));
        let capital = text.to_ascii_uppercase();
        let list = match capital.find("[CAPABILITY ") {
            Some(begin) => {
                capital[begin..].find(']').map(|end| (begin + "[CAPABILITY ".len(), begin + end))
            }
            None => {
                capital.starts_with("* CAPABILITY ").then(|| ("* CAPABILITY ".len(), capital.len()))
            }
        };
        // Capitals have the same length: what is no ASCII keeps its case.
        let Some((begin, end)) = list else { return to_client.extend_from_slice(line) };
        let stays = |word: &&str| !(word.eq_ignore_ascii_case("STARTTLS") || binds_channel(word));
        let words: Vec<&str> = text[begin..end].split(' ').filter(stays).collect();
        let line = format!("{}{}{}\r\n", &text[..begin], words.join(" "), &text[end..]);
        to_client.extend(line.into_bytes());
    }

    fn is_about_it(&self, line: &[u8]) -> bool {
        let (_, rest) = command(line);
        matches!(command(rest.as_bytes()).0.as_str(), "LOGIN" | "AUTHENTICATE" | "COMPRESS")
    }
}

/// POP3, until somebody says who he is.
#[derive(Debug)]
pub(crate) struct Pop3;

impl Rule for Pop3 {
    fn settle(&mut self, line: &[u8], out: &mut Both) -> Result<Settling, Fault> {
        match line {
            [b'+', ..] => {}
            [b'-', ..] => out.to_client.extend_from_slice(line),
            _ => return Err(Fault::Malformed),
        }
        Ok(Settling::Settled)
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        if bare(line).eq_ignore_ascii_case(b"STLS") {
            return;
        }
        pass_without_binding(line, "SASL ", to_client);
    }

    fn is_about_it(&self, line: &[u8]) -> bool {
        matches!(command(line).0.as_str(), "PASS" | "APOP" | "AUTH")
    }
}

/// ManageSieve, until somebody says who he is.
#[derive(Debug)]
pub(crate) struct Sieve;

impl Rule for Sieve {
    fn settle(&mut self, _: &[u8], _: &mut Both) -> Result<Settling, Fault> {
        Ok(Settling::Settled)
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        let (word, rest) = command(line);
        match word.as_str() {
            "\"STARTTLS\"" => {}
            "\"SASL\"" => {
                let stays = |word: &&str| !binds_channel(word);
                let words: Vec<&str> = rest.trim_matches('"').split(' ').filter(stays).collect();
                to_client.extend(format!("\"SASL\" \"{}\"\r\n", words.join(" ")).into_bytes());
            }
            _ => to_client.extend_from_slice(line),
        }
    }

    fn is_about_it(&self, line: &[u8]) -> bool {
        command(line).0 == "AUTHENTICATE"
    }
}

/// NNTP, until articles come, in which anything may stand.
#[derive(Debug)]
pub(crate) struct Nntp;

impl Rule for Nntp {
    fn settle(&mut self, line: &[u8], out: &mut Both) -> Result<Settling, Fault> {
        let reply = ReplyLine::read(line).ok_or(Fault::Malformed)?;
        if !reply.is_good() {
            out.to_client.extend_from_slice(line);
        }
        Ok(Settling::Settled)
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        if bare(line).eq_ignore_ascii_case(b"STARTTLS") {
            return;
        }
        pass_without_binding(line, "SASL ", to_client);
    }

    fn is_about_it(&self, line: &[u8]) -> bool {
        !matches!(command(line).0.as_str(), "CAPABILITIES" | "MODE" | "AUTHINFO" | "DATE" | "QUIT")
    }
}

/// IRC. A server's `CAP` can't be forged by those who talk there.
#[derive(Debug)]
pub(crate) struct Irc;

impl Rule for Irc {
    fn settle(&mut self, _: &[u8], _: &mut Both) -> Result<Settling, Fault> {
        Ok(Settling::Settled)
    }

    fn offer(&mut self, line: &[u8], to_client: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(bare(line));
        let from_server = text.starts_with(':');
        let verb = text.split(' ').nth(usize::from(from_server)).unwrap_or("");
        let Some((head, list)) = text.split_once(" :").filter(|_| verb.eq_ignore_ascii_case("CAP"))
        else {
            return to_client.extend_from_slice(line);
        };
        let stays = |word: &&str| *word != "tls" && *word != "sts" && !word.starts_with("sts=");
        let words: Vec<&str> = list.split(' ').filter(stays).collect();
        to_client.extend(format!("{head} :{}\r\n", words.join(" ")).into_bytes());
    }

    fn is_about_it(&self, _: &[u8]) -> bool {
        false
    }
}

fn pass_without_binding(line: &[u8], head: &str, to_client: &mut Vec<u8>) {
    match without_binding(bare(line), head, " ") {
        Some(text) => to_client.extend((text + "\r\n").into_bytes()),
        None => to_client.extend_from_slice(line),
    }
}

/// A list of mechanisms behind `head` without those that bind the channel; `None` where it is none, or has none.
fn without_binding(text: &[u8], head: &str, between: &str) -> Option<String> {
    let (own, list) = text.split_at_checked(head.len())?;
    let list =
        std::str::from_utf8(list).ok().filter(|_| own.eq_ignore_ascii_case(head.as_bytes()))?;
    list.split(between).any(binds_channel).then(|| {
        let stays: Vec<&str> = list.split(between).filter(|word| !binds_channel(word)).collect();
        format!("{head}{}", stays.join(between))
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{Protocol, Relay};

    fn behind(protocol: Protocol) -> Relay {
        Relay::behind(protocol, false, None)
    }

    fn service_says(relay: &mut Relay, text: &str) -> String {
        let mut out = Both::default();
        relay.service_says(text.as_bytes(), &mut out).unwrap();
        assert!(out.to_service.is_empty());
        String::from_utf8(out.to_client).unwrap()
    }

    fn client_says(relay: &mut Relay, text: &str) {
        let mut out = Both::default();
        relay.client_says(text.as_bytes(), &mut out).unwrap();
        assert_eq!(out.to_service, text.as_bytes());
    }

    #[test]
    fn mail_offers_neither_tls_nor_channel_binding_wherever_they_stand() {
        let mut relay = behind(Protocol::Smtp);
        assert_eq!(service_says(&mut relay, "220-a\r\n220 b\r\n"), "");
        assert!(relay.is_settled());
        let said = service_says(
            &mut relay,
            "250-mx.test\r\n250-STARTTLS\r\n250-AUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
        );
        assert_eq!(said, "250-mx.test\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n250 8BITMIME\r\n");
        assert_eq!(
            service_says(&mut relay, "250 2.1.0 Ok\r\n354 go\r\n"),
            "250 2.1.0 Ok\r\n354 go\r\n"
        );
        assert_eq!(service_says(&mut relay, "250 starttls\r\n"), "250 ok\r\n");
    }

    #[test]
    fn a_backend_that_is_busy_says_so_to_the_client() {
        let mut relay = behind(Protocol::Smtp);
        assert_eq!(service_says(&mut relay, "421 busy\r\n"), "421 busy\r\n");
        assert_eq!(service_says(&mut behind(Protocol::Pop3), "-ERR busy\r\n"), "-ERR busy\r\n");
        assert_eq!(service_says(&mut behind(Protocol::Imap), "* BYE busy\r\n"), "* BYE busy\r\n");
    }

    #[test]
    fn postfix_is_told_who_the_client_is_before_the_client_is_heard() {
        let source: SocketAddr = "[2001:db8::7]:4000".parse().unwrap();
        let introduction = Introduction { source, login: Some("alice=".into()) };
        let mut relay = Relay::behind(Protocol::Smtp, false, Some(introduction.clone()));
        let mut said = |text: &[u8]| {
            let mut out = Both::default();
            relay.service_says(text, &mut out).unwrap();
            assert!(out.to_client.is_empty());
            (String::from_utf8(out.to_service).unwrap(), relay.is_settled())
        };
        assert_eq!(said(b"220 mx\r\n"), ("EHLO localhost\r\n".into(), false));
        assert_eq!(said(b"250-mx\r\n"), (String::new(), false));
        let introduced =
            "XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE] PORT=4000 LOGIN=alice+3D\r\n";
        assert_eq!(said(b"250 XCLIENT NAME ADDR PORT LOGIN\r\n"), (introduced.into(), false));
        assert_eq!(said(b"220 mx\r\n"), (String::new(), true));
        let mut relay = Relay::behind(Protocol::Smtp, false, Some(introduction));
        let refused = relay.service_says(b"220 mx\r\n250 mx\r\n", &mut Both::default());
        assert_eq!(refused, Err(Fault::NotIntroduced));
    }

    #[test]
    fn mailboxes_offer_what_holds_until_somebody_logs_in() {
        let mut relay = behind(Protocol::Imap);
        assert_eq!(service_says(&mut relay, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"), "");
        let listed = "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=SCRAM-SHA-1-PLUS IDLE\r\nA OK done\r\n";
        let without = "* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE\r\nA OK done\r\n";
        for piece in [1, 3, listed.len()] {
            let said: String = listed
                .as_bytes()
                .chunks(piece)
                .map(|piece| service_says(&mut relay, std::str::from_utf8(piece).unwrap()))
                .collect();
            assert_eq!(said, without);
        }
        let code = "B OK [CAPABILITY IMAP4rev1 STARTTLS] in\r\n";
        assert_eq!(service_says(&mut relay, code), "B OK [CAPABILITY IMAP4rev1] in\r\n");
        client_says(&mut relay, "a1 lo");
        assert!(!relay.is_done());
        client_says(&mut relay, "gin alice secret\r\n");
        assert!(relay.is_done());
        assert_eq!(service_says(&mut relay, listed), listed, "a mail may say anything");
    }

    #[test]
    fn pop_sieve_and_news_offer_no_tls() {
        let mut relay = behind(Protocol::Pop3);
        service_says(&mut relay, "+OK <1@pop>\r\n");
        let said = service_says(&mut relay, "+OK\r\nSTLS\r\nSASL PLAIN SCRAM-SHA-1-PLUS\r\n.\r\n");
        assert_eq!(said, "+OK\r\nSASL PLAIN\r\n.\r\n");
        client_says(&mut relay, "PASS secret\r\n");
        assert!(relay.is_done());
        let mut relay = behind(Protocol::Sieve);
        assert!(relay.is_settled());
        let listed = "\"SASL\" \"PLAIN SCRAM-SHA-1-PLUS\"\r\n\"STARTTLS\"\r\nOK \"hi\"\r\n";
        assert_eq!(service_says(&mut relay, listed), "\"SASL\" \"PLAIN\"\r\nOK \"hi\"\r\n");
        let mut relay = behind(Protocol::Nntp);
        assert_eq!(
            service_says(&mut relay, "200 hi\r\n101 list\r\nSTARTTLS\r\nREADER\r\n.\r\n"),
            "101 list\r\nREADER\r\n.\r\n"
        );
        client_says(&mut relay, "ARTICLE <1@x>\r\n");
        assert_eq!(
            service_says(&mut relay, "220 0\r\nSTARTTLS\r\n.\r\n"),
            "220 0\r\nSTARTTLS\r\n.\r\n"
        );
    }

    #[test]
    fn chat_offers_no_tls_and_nobody_who_talks_can_say_that_it_does() {
        let mut relay = behind(Protocol::Irc);
        let said = service_says(&mut relay, ":irc.test CAP * LS :sasl tls sts=port=6697 away\r\n");
        assert_eq!(said, ":irc.test CAP * LS :sasl away\r\n");
        let talk = ":bob!b@h PRIVMSG #x :CAP * LS :tls\r\n";
        assert_eq!(service_says(&mut relay, talk), talk);
    }

    #[test]
    fn a_line_without_an_end_passes_and_is_not_kept() {
        let mut relay = behind(Protocol::Imap);
        service_says(&mut relay, "* OK hi\r\n");
        let mut passed = 0;
        for _ in 0..100 {
            passed += service_says(&mut relay, &"x".repeat(1000)).len();
        }
        assert!(passed >= 92_000, "{passed}");
    }
}
