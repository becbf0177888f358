//! Push replies: one text message, or several joined by `push-continuation`.
//!
//! Both directions are bounded: a message never exceeds what stock clients read, and what a server
//! pushes in parts never exceeds [`PushCollector::MAX_BYTES`].

use std::error::Error;
use std::fmt;

use super::parse::check_text;
use super::{PushOption, PushOptionError};

const PREFIX: &str = "PUSH_REPLY";
/// Where a stock server begins a new message: 1024 bytes less a margin of 84.
const SPLIT_AT: usize = 1024 - 84;

/// Whether more of a reply follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuation {
    /// `push-continuation 1`: this was the last part.
    Last,
    /// `push-continuation 2`: more follows.
    More,
}

/// An option that was pushed and can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its name alone: arguments may be secret.
    pub name: String,
    /// Why.
    pub why: PushOptionError,
}

/// A complete reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushReply {
    /// What was pushed, in order.
    pub options: Vec<PushOption>,
    /// What was pushed and can't be used. Never fatal.
    pub refused: Vec<Refused>,
}

impl PushReply {
    /// A reply to send.
    pub fn new(options: Vec<PushOption>) -> Self {
        Self { options, refused: Vec::new() }
    }

    /// The text messages of the reply, without their final NUL. `refused` is not written.
    pub fn encode(&self) -> Result<Vec<String>, PushEncodeError> {
        let mut messages = Vec::new();
        let mut current = PREFIX.to_owned();
        for (index, option) in self.options.iter().enumerate() {
            let text = option.to_string();
            check_text(&text).map_err(|why| PushEncodeError::NotPushable { index, why })?;
            if current.len() + 1 + text.len() >= SPLIT_AT {
                current.push_str(",push-continuation 2");
                messages.push(std::mem::replace(&mut current, PREFIX.to_owned()));
            }
            current.push(',');
            current.push_str(&text);
        }
        if self.options.is_empty() {
            return Err(PushEncodeError::Empty);
        }
        if !messages.is_empty() {
            current.push_str(",push-continuation 1");
        }
        messages.push(current);
        Ok(messages)
    }
}

/// One message of a reply, as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPart {
    /// Its options, in order.
    pub options: Vec<PushOption>,
    /// Its options that can't be used.
    pub refused: Vec<Refused>,
    /// Whether more follows; none in a reply of one message.
    pub continuation: Option<Continuation>,
    /// Its bytes, for the collector's limit.
    pub len: usize,
}

impl PushPart {
    /// Parses what follows `PUSH_REPLY`, from the first comma on.
    pub(crate) fn parse(rest: &str) -> Self {
        let mut part = Self { len: rest.len(), ..Self::default() };
        for text in rest.split(',').map(str::trim_ascii).filter(|text| !text.is_empty()) {
            match text {
                "push-continuation 1" => part.continuation = Some(Continuation::Last),
                "push-continuation 2" => part.continuation = Some(Continuation::More),
                text => match PushOption::parse(text) {
                    Ok(option) => part.options.push(option),
                    Err(why) => part.refused.push(Refused { name: first_word(text), why }),
                },
            }
        }
        part
    }
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(64)
        .collect()
}

/// Joins the parts of a reply.
#[derive(Clone, Debug, Default)]
pub struct PushCollector {
    reply: PushReply,
    bytes: usize,
}

impl PushCollector {
    /// The most that one reply may have, all parts together.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Waits for the first part.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next part; gives the reply when it is complete, and is empty again then.
    pub fn add(&mut self, part: PushPart) -> Result<Option<PushReply>, PushOverflow> {
        self.bytes = self.bytes.saturating_add(part.len.max(1));
        if self.bytes > Self::MAX_BYTES {
            *self = Self::default();
            return Err(PushOverflow);
        }
        self.reply.options.extend(part.options);
        self.reply.refused.extend(part.refused);
        match part.continuation {
            Some(Continuation::More) => Ok(None),
            Some(Continuation::Last) | None => Ok(Some(std::mem::take(self).reply)),
        }
    }
}

/// The peer misbehaved: its reply has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushOverflow;

impl fmt::Display for PushOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server pushed more than {} bytes", PushCollector::MAX_BYTES)
    }
}

impl Error for PushOverflow {}

/// We were given options that can't be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushEncodeError {
    /// No option at all: OpenVPN 3 doesn't recognise such a reply.
    Empty,
    /// An option that would be misread.
    NotPushable {
        /// Which one.
        index: usize,
        /// Why.
        why: PushOptionError,
    },
}

impl fmt::Display for PushEncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is nothing to push"),
            Self::NotPushable { index, why } => {
                write!(f, "pushed option number {} can't be sent: {why}", index + 1)
            }
        }
    }
}

impl Error for PushEncodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Empty => None,
            Self::NotPushable { why, .. } => Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn routes(count: u32) -> Vec<PushOption> {
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        (0..count)
            .map(|n| PushOption::route(Ipv4Addr::from_bits(0x0a00_0000 + (n << 8)), mask))
            .collect()
    }

    fn collect(messages: &[String]) -> PushReply {
        let mut collector = PushCollector::new();
        let mut reply = None;
        for message in messages {
            assert!(reply.is_none(), "a part came behind the last one");
            reply = collector.add(PushPart::parse(message.strip_prefix(PREFIX).unwrap())).unwrap();
        }
        reply.expect("the last part completes the reply")
    }

    #[test]
    fn a_short_reply_is_one_message_without_continuation() {
        let options = vec![PushOption::Ping(1), PushOption::PingRestart(10)];
        let messages = PushReply::new(options.clone()).encode().unwrap();
        assert_eq!(messages, ["PUSH_REPLY,ping 1,ping-restart 10"]);
        assert_eq!(collect(&messages).options, options);
    }

    #[test]
    fn long_replies_are_split_at_940_and_joined_again() {
        for count in [1, 30, 31, 32, 33, 60, 500] {
            let reply = PushReply::new(routes(count));
            let messages = reply.encode().unwrap();
            let (last, firsts) = messages.split_last().unwrap();
            for message in firsts {
                assert!(
                    message.starts_with("PUSH_REPLY,route ")
                        && message.ends_with(",push-continuation 2")
                );
                assert!(message.len() < SPLIT_AT + 20, "{}", message.len());
            }
            assert_eq!(last.ends_with(",push-continuation 1"), !firsts.is_empty(), "{count}");
            assert!(messages.iter().all(|message| message.len() < 1023));
            assert_eq!(collect(&messages), reply);
        }
    }

    #[test]
    fn commas_nuls_and_newlines_can_not_be_pushed() {
        for bad in ["echo a,b", "echo a\0b", "echo a\nb"] {
            let error =
                PushReply::new(vec![PushOption::Ping(1), PushOption::Other(bad.into())]).encode();
            let why = PushOptionError::Unprintable;
            assert_eq!(error, Err(PushEncodeError::NotPushable { index: 1, why }));
        }
        assert_eq!(PushReply::default().encode(), Err(PushEncodeError::Empty));
    }

    #[test]
    fn a_bad_option_is_refused_alone_and_without_its_arguments() {
        let part = PushPart::parse(",ping 5,route nonsense.secret,,topology subnet");
        assert_eq!(part.options.len(), 2);
        assert_eq!(
            part.refused,
            [Refused { name: "route".into(), why: PushOptionError::NotAnAddress }]
        );
    }

    #[test]
    fn endless_parts_are_cut_off() {
        let mut collector = PushCollector::new();
        let part = PushPart::parse(&format!("{},push-continuation 2", ",ping 5".repeat(100)));
        let error = (0..10_000).find_map(|_| collector.add(part.clone()).err());
        assert_eq!(error, Some(PushOverflow));
        assert!(collector.reply.options.is_empty());
        let empty = PushPart::parse(",push-continuation 2");
        assert!((0..PushCollector::MAX_BYTES).any(|_| collector.add(empty.clone()).is_err()));
    }
}
