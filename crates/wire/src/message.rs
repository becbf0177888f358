//! Text messages on the control channel.
//!
//! Each is text and one NUL in a TLS record of its own; newer peers put several into one record. A
//! message with control characters is refused, so nothing that a peer says can confuse a log.

use std::error::Error;
use std::fmt;

use crate::push::{PushEncodeError, PushPart, PushReply};

/// The longest text that stock 2.x reads, without its NUL.
pub const MAX_TEXT: usize = 1023;

/// A text message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlMessage {
    /// The client asks for its options.
    PushRequest,
    /// The server's options, or a part of them.
    PushReply(PushPart),
    /// The server refuses the client.
    AuthFailed(AuthFailure),
    /// The server asks the client to connect again.
    Restart {
        /// `P`: keep credentials and token.
        keep_credentials: bool,
        /// `N`: go on to the next server.
        next_server: bool,
        /// For the user.
        text: String,
    },
    /// The server tells the client to stop for good.
    Halt(String),
    /// The peer leaves.
    Exit,
    /// For the user.
    Info(String),
    /// For the user, before the connection is up.
    InfoPre(String),
    /// The server waits for the user to do something elsewhere.
    AuthPending {
        /// Seconds.
        timeout: Option<u32>,
    },
    /// The client's answer to a challenge, in base64.
    CrResponse(String),
    /// Another message, cut to [`MAX_TEXT`].
    Unknown(String),
}

/// Why the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// For good, with a reason or none.
    Denied(String),
    /// The token is no longer good; the real credentials may be.
    SessionExpired(String),
    /// For the moment: keep the credentials and try again.
    Temporary {
        /// Wait so many seconds.
        backoff: Option<u32>,
        /// Where to try.
        advance: Option<Advance>,
        /// For the user.
        text: String,
    },
    /// The server asks a question.
    Challenge {
        /// An answer is needed.
        response_required: bool,
        /// The answer may be shown while typed.
        echo: bool,
        /// To be given back.
        state: String,
        /// The user name, in base64.
        user: String,
        /// The question.
        text: String,
    },
}

/// Where a client goes after a temporary failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advance {
    /// The same address.
    No,
    /// The next address of the same server.
    Address,
    /// The next server.
    Remote,
}

impl ControlMessage {
    /// The message for one TLS record, with its NUL. Texts for people are cut to fit, and their control
    /// characters replaced; options that can't be pushed are an error.
    pub fn encode(&self) -> Result<Vec<u8>, PushEncodeError> {
        if let Self::PushReply(part) = self {
            let messages = PushReply::new(part.options.clone()).encode()?;
            return Ok(messages.into_iter().flat_map(|text| encode_text(&text)).collect());
        }
        Ok(encode_text(&self.to_string()))
    }

    /// Parses one message without its NUL.
    pub fn parse(text: &str) -> ControlMessage {
        let (word, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        let argument = rest.strip_prefix(',').unwrap_or_default();
        match word {
            "PUSH_REQUEST" => Self::PushRequest,
            "PUSH_REPLY" => Self::PushReply(PushPart::parse(rest)),
            "AUTH_FAILED" => Self::AuthFailed(AuthFailure::parse(argument)),
            "RESTART" => parse_restart(argument),
            "HALT" => Self::Halt(argument.to_owned()),
            "INFO_PRE" => Self::InfoPre(argument.to_owned()),
            "INFO" => Self::Info(argument.to_owned()),
            "CR_RESPONSE" => Self::CrResponse(argument.to_owned()),
            "AUTH_PENDING" => Self::AuthPending { timeout: parse_timeout(argument) },
            "EXIT" => Self::Exit,
            _ => Self::Unknown(cut(text).to_owned()),
        }
    }
}

/// Parses one TLS record.
pub fn parse(record: &[u8]) -> Vec<Result<ControlMessage, MessageError>> {
    let pieces = record.split(|byte| *byte == 0).map(trim_line_end);
    pieces.filter(|piece| !piece.is_empty()).map(parse_piece).collect()
}

/// A text with its NUL, for one TLS record: cut to fit, control characters replaced.
pub fn encode_text(text: &str) -> Vec<u8> {
    let clean = cut(text).chars().map(|c| if c.is_control() { '_' } else { c });
    let mut record = clean.collect::<String>().into_bytes();
    // A control character of two bytes became one of one, so it still fits.
    record.push(0);
    record
}

fn trim_line_end(mut piece: &[u8]) -> &[u8] {
    while let [front @ .., b'\r' | b'\n'] = piece {
        piece = front;
    }
    piece
}

fn parse_piece(piece: &[u8]) -> Result<ControlMessage, MessageError> {
    let text = std::str::from_utf8(piece).map_err(|_| MessageError::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(MessageError::ControlCharacters);
    }
    Ok(ControlMessage::parse(text))
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

fn parse_restart(argument: &str) -> ControlMessage {
    let (flags, text) = match argument.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((flags, text)) => (flags, text),
        None => ("", argument),
    };
    ControlMessage::Restart {
        keep_credentials: flags.contains('P'),
        next_server: flags.contains('N'),
        text: text.strip_prefix(':').unwrap_or(text).to_owned(),
    }
}

fn parse_timeout(argument: &str) -> Option<u32> {
    argument.split(',').find_map(|word| word.trim().strip_prefix("timeout "))?.trim().parse().ok()
}

impl AuthFailure {
    fn parse(argument: &str) -> Self {
        if argument == "TEMP" {
            return Self::Temporary { backoff: None, advance: None, text: String::new() };
        }
        if let Some(text) = argument.strip_prefix("TEMP:") {
            return Self::Temporary { backoff: None, advance: None, text: text.to_owned() };
        }
        if let Some(text) = argument.strip_prefix("SESSION:") {
            return Self::SessionExpired(text.trim_start().to_owned());
        }
        let temporary = argument.strip_prefix("TEMP[").and_then(|rest| rest.split_once(']'));
        let challenge = argument.strip_prefix("CRV1:").and_then(parse_challenge);
        match (temporary, challenge) {
            (Some((flags, text)), _) => parse_temporary(flags, text),
            (None, Some(challenge)) => challenge,
            (None, None) => Self::Denied(argument.to_owned()),
        }
    }
}

fn parse_temporary(flags: &str, text: &str) -> AuthFailure {
    let value = |name| {
        let mut words =
            flags.split(',').map(|flag| flag.trim().split_once(' ').unwrap_or((flag, "")));
        words.find(|(have, _)| *have == name).map(|(_, value)| value.trim())
    };
    AuthFailure::Temporary {
        backoff: value("backoff").and_then(|seconds| seconds.parse().ok()),
        advance: value("advance").and_then(|how| match how {
            "no" => Some(Advance::No),
            "addr" => Some(Advance::Address),
            "remote" => Some(Advance::Remote),
            _ => None,
        }),
        text: text.strip_prefix(':').unwrap_or(text).to_owned(),
    }
}

fn parse_challenge(rest: &str) -> Option<AuthFailure> {
    let mut fields = rest.splitn(4, ':');
    let (flags, state, user, text) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let flag = |name| flags.split(',').any(|have| have == name);
    Some(AuthFailure::Challenge {
        response_required: flag("R"),
        echo: flag("E"),
        state: state.to_owned(),
        user: user.to_owned(),
        text: text.to_owned(),
    })
}

impl fmt::Display for ControlMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PushRequest => f.write_str("PUSH_REQUEST"),
            // Options may be secret; `encode` writes them.
            Self::PushReply(part) => write!(f, "PUSH_REPLY of {} options", part.options.len()),
            Self::AuthFailed(failure) => failure.fmt(f),
            Self::Restart { keep_credentials, next_server, text } => {
                let flags = match (keep_credentials, next_server) {
                    (false, false) => "",
                    (true, false) => "[P]",
                    (false, true) => "[N]",
                    (true, true) => "[PN]",
                };
                // OpenVPN 3 knows `[P]:` only with its colon.
                let colon = if *keep_credentials && !text.is_empty() { ":" } else { "" };
                with_argument(f, "RESTART", &format!("{flags}{colon}{text}"))
            }
            Self::Halt(text) => with_argument(f, "HALT", text),
            Self::Exit => f.write_str("EXIT"),
            Self::Info(text) => write!(f, "INFO,{text}"),
            Self::InfoPre(text) => write!(f, "INFO_PRE,{text}"),
            Self::AuthPending { timeout: None } => f.write_str("AUTH_PENDING"),
            Self::AuthPending { timeout: Some(seconds) } => {
                write!(f, "AUTH_PENDING,timeout {seconds}")
            }
            Self::CrResponse(answer) => write!(f, "CR_RESPONSE,{answer}"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(reason) => with_argument(f, "AUTH_FAILED", reason),
            Self::SessionExpired(reason) => write!(f, "AUTH_FAILED,SESSION: {reason}"),
            Self::Temporary { backoff, advance, text } => {
                let advance = advance.map(|how| match how {
                    Advance::No => "advance no",
                    Advance::Address => "advance addr",
                    Advance::Remote => "advance remote",
                });
                let backoff = backoff.map(|seconds| format!("backoff {seconds}"));
                let flags: Vec<&str> = backoff.as_deref().into_iter().chain(advance).collect();
                f.write_str("AUTH_FAILED,TEMP")?;
                if !flags.is_empty() {
                    write!(f, "[{}]", flags.join(","))?;
                }
                if !flags.is_empty() || !text.is_empty() { write!(f, ":{text}") } else { Ok(()) }
            }
            Self::Challenge { response_required, echo, state, user, text } => {
                let flags = [(*response_required, "R"), (*echo, "E")];
                let flags: Vec<&str> =
                    flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
                write!(f, "AUTH_FAILED,CRV1:{}:{state}:{user}:{text}", flags.join(","))
            }
        }
    }
}

fn with_argument(f: &mut fmt::Formatter<'_>, word: &str, argument: &str) -> fmt::Result {
    if argument.is_empty() { f.write_str(word) } else { write!(f, "{word},{argument}") }
}

/// The peer misbehaved: a message can't be read. It is left out, the rest of the record stays good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// Not UTF-8.
    NotText,
    /// Control characters inside.
    ControlCharacters,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotText => "the peer sent a control message that is not UTF-8",
            Self::ControlCharacters => "the peer sent a control message with control characters",
        })
    }
}

impl Error for MessageError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::PushOption;

    fn one(record: &[u8]) -> ControlMessage {
        let mut messages = parse(record);
        assert_eq!(messages.len(), 1);
        messages.remove(0).unwrap()
    }

    #[test]
    fn messages_come_back_as_they_went() {
        for text in [
            "PUSH_REQUEST",
            "AUTH_FAILED",
            "AUTH_FAILED,wrong password, twice",
            "AUTH_FAILED,SESSION: token expired",
            "AUTH_FAILED,TEMP",
            "AUTH_FAILED,TEMP:busy",
            "AUTH_FAILED,TEMP[backoff 42,advance addr]:come back",
            "AUTH_FAILED,CRV1:R,E:state1:dXNlcg==:What: now?",
            "RESTART",
            "RESTART,[N]",
            "RESTART,[P]:soon",
            "RESTART,going down",
            "HALT,done",
            "EXIT",
            "INFO,hello",
            "INFO_PRE,WEB_AUTH::https://x.example/",
            "AUTH_PENDING,timeout 30",
            "CR_RESPONSE,YWJj",
            "RELAY,x",
        ] {
            let message = one(&encode_text(text));
            assert_eq!(message.encode().unwrap(), encode_text(text));
            assert_eq!(
                matches!(message, ControlMessage::Unknown(_)),
                text.starts_with("RELAY"),
                "{text}"
            );
        }
    }

    #[test]
    fn one_record_may_hold_several_messages() {
        let messages = parse(b"INFO,a\r\n\0\0EXIT\0AUTH\x07\0\xff\0HALT");
        let expected = [
            Ok(ControlMessage::Info("a".into())),
            Ok(ControlMessage::Exit),
            Err(MessageError::ControlCharacters),
            Err(MessageError::NotText),
            Ok(ControlMessage::Halt(String::new())),
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_stock_push_reply_is_understood() {
        let text = "PUSH_REPLY,route-gateway 10.9.1.1,topology subnet,ping 1,ping-restart 10,\
                    ifconfig 10.9.1.2 255.255.255.0,peer-id 1,cipher AES-256-GCM,\
                    protocol-flags cc-exit tls-ekm dyn-tls-crypt";
        let message = one(text.as_bytes());
        let ControlMessage::PushReply(part) = &message else { panic!("{message:?}") };
        assert_eq!((part.options.len(), part.refused.len(), part.continuation), (8, 0, None));
        assert!(part.options.iter().all(|option| !matches!(option, PushOption::Other(_))));
        assert_eq!(message.encode().unwrap(), encode_text(text));
    }

    #[test]
    fn an_empty_push_reply_is_a_reply() {
        assert_eq!(one(b"PUSH_REPLY\0"), ControlMessage::PushReply(PushPart::default()));
    }

    #[test]
    fn texts_for_people_are_cut_and_cleaned() {
        let message = ControlMessage::Halt(format!("a\nb\0{}", "ä".repeat(2000)));
        let record = message.encode().unwrap();
        assert!(
            record.len() <= MAX_TEXT + 1
                && record.starts_with(b"HALT,a_b_")
                && record.ends_with(b"\0")
        );
        assert!(matches!(one(&record), ControlMessage::Halt(_)));
    }

    #[test]
    fn random_records_never_panic() {
        let mut random = crate::testing::XorShift::new(0x5eed_0006);
        let pieces: [&[u8]; 16] = [
            b"PUSH_REPLY",
            b",",
            b"AUTH_FAILED",
            b"TEMP[",
            b"]",
            b":",
            b"CRV1:",
            b"RESTART",
            b"[",
            b"\0",
            b"\xff",
            b"route 1.2.3.4",
            b"push-continuation 2",
            b"dns server ",
            b" ",
            b"AUTH_PENDING,timeout ",
        ];
        for _ in 0..5_000 {
            let record: Vec<u8> =
                (0..random.below(25)).flat_map(|_| random.pick(&pieces).to_vec()).collect();
            for message in parse(&record).into_iter().flatten() {
                let _ = message.encode();
            }
        }
    }
}
