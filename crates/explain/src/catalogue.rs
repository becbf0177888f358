//! Every kind of step and what is said of it: one table, so that the same thing is always said in the same words.
//!
//! A sentence is chosen by what happened and never made from a peer's text. It has at most 25 words; a test
//! counts them, and another holds that a real handshake tells each entry.

mod dropped;
mod hello;
pub(crate) mod openvpn;
mod secured;
mod shown;

use serde::{Deserialize, Serialize};

/// The parts of a handshake, in the order in which they come: what a reader sees first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chapter {
    /// Getting past the door.
    Knock,
    /// What both can speak, and the fresh halves of a key.
    Hello,
    /// Who the server is.
    ServerShown,
    /// Who the client is.
    ClientShown,
    /// That nobody changed a word.
    Finished,
    /// Keys for what comes next.
    Keys,
    /// What the client is told about its network.
    Settings,
    /// What all this was for.
    Data,
    /// A packet that a gateway took no further.
    Dropped,
    /// The end.
    End,
}

impl Chapter {
    /// All, in order.
    pub const ALL: [Chapter; 10] = [
        Chapter::Knock,
        Chapter::Hello,
        Chapter::ServerShown,
        Chapter::ClientShown,
        Chapter::Finished,
        Chapter::Keys,
        Chapter::Settings,
        Chapter::Data,
        Chapter::Dropped,
        Chapter::End,
    ];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Chapter::Knock => "Knocking",
            Chapter::Hello => "Hellos",
            Chapter::ServerShown => "The server shows who it is",
            Chapter::ClientShown => "The client shows who it is",
            Chapter::Finished => "What was said is confirmed",
            Chapter::Keys => "Further keys",
            Chapter::Settings => "Settings of the tunnel",
            Chapter::Data => "Data flows",
            Chapter::Dropped => "A packet that went no further",
            Chapter::End => "The end",
        }
    }

    /// What happens in it.
    pub fn sentence(self) -> &'static str {
        match self {
            Chapter::Knock => {
                "Before TLS, each looks whether the other is there and wants it; a VPN gateway also looks whether the sender holds the shared key."
            }
            Chapter::Hello => {
                "Both say what they speak; in TLS 1.3 they also exchange the halves of a fresh secret that no listener can put together."
            }
            Chapter::ServerShown => {
                "The server shows its certificate, and proves for this connection alone, as a rule by a signature, that it has the key belonging to it."
            }
            Chapter::ClientShown => {
                "If it was asked to, the client does the same with its own certificate and key."
            }
            Chapter::Finished => {
                "Whoever comes so far proves that it has read the same words as the other: nobody in between changed any."
            }
            Chapter::Keys => {
                "What is agreed on besides: keys of a tunnel's packets, the next key, or a ticket to come back faster."
            }
            Chapter::Settings => {
                "The server tells the client its address and the other settings of the tunnel, already encrypted."
            }
            Chapter::Data => {
                "What the connection is for begins, under a key that only these two have."
            }
            Chapter::Dropped => {
                "A gateway drops what it can't or may not take on; that alone refuses nobody and ends no session."
            }
            Chapter::End => "One side says goodbye, or refuses to go on.",
        }
    }
}

/// Who can read what a step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// It is in the clear.
    Everybody,
    /// Only who has the keys of this handshake.
    BothEnds,
    /// In the clear until the version and moment at which encryption begins, which the step's key tells.
    AsItsKeySays,
    /// It is not known what it was.
    NotKnown,
    /// It is encrypted by a key that a whole group has, and in part by TLS.
    Group,
    /// The same by a key that the server and this client have.
    OwnKey,
    /// The same by a key that these two made.
    SessionsKey,
    /// It was not said on the wire.
    Nobody,
    /// The two ends, and the service that a gateway hands it to.
    EndsAndService,
}

impl Readable {
    /// As a sentence; `sealed` says whether this very step was encrypted.
    pub fn sentence(self, sealed: bool) -> &'static str {
        match (self, sealed) {
            (Readable::NotKnown, _) => {
                "what was in the clear by everybody, and the rest by the two ends"
            }
            (Readable::EndsAndService, _) => {
                "the client, the gateway, and the service that was asked for, which gets it from the gateway"
            }
            (Readable::Group, _) => {
                "everybody (its header), whoever has the shared key (the rest), and the two ends only (what TLS encrypts in it)"
            }
            (Readable::OwnKey, _) => {
                "everybody (its header), whoever has this client's key or the server's (the rest), and the two ends only (what TLS encrypts in it)"
            }
            (Readable::SessionsKey, _) => {
                "everybody (its header), and the two ends only (the rest)"
            }
            (Readable::Nobody, _) => "nobody: it was not said on the wire",
            (Readable::Everybody, _) | (Readable::AsItsKeySays, false) => "everybody on the way",
            (Readable::BothEnds, _) | (Readable::AsItsKeySays, true) => "the two ends only",
        }
    }
}

/// What is said of one kind of step.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Its name in JSON.
    pub name: &'static str,
    /// The part of the handshake that it belongs to.
    pub chapter: Chapter,
    /// What it is called.
    pub title: &'static str,
    /// What happened.
    pub sentence: &'static str,
    /// Technical terms and their meaning.
    pub terms: &'static [(&'static str, &'static str)],
    /// What is proved from here on.
    pub proves: &'static str,
    /// What is not.
    pub leaves_open: &'static str,
    /// Who can read it.
    pub readable: Readable,
    /// Where it is specified.
    pub section: &'static str,
}

/// Kinds of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table says what each is")]
pub enum Kind {
    InTheClear,
    NotReached,
    ClientReset,
    ResetRepeated,
    ServerReset,
    SessionOffered,
    CookieReturned,
    ClientSoftReset,
    ServerSoftReset,
    WrongWrapping,
    OtherWrapping,
    ControlSealed,
    ClientHello,
    SecondClientHello,
    HelloRetryRequest,
    ServerHello,
    ServerHelloResumed,
    ServerHelloOld,
    ServerHelloOldResumed,
    EncryptedExtensions,
    CertificateRequest,
    ServerCertificate,
    CertificateStatus,
    ServerCertificateVerify,
    ServerKeyExchange,
    ServerHelloDone,
    ClientCertificate,
    NoClientCertificate,
    ClientKeyExchange,
    ClientCertificateVerify,
    Disguise,
    ChangeCipherSpec,
    ServerFinished,
    ClientFinished,
    NewSessionTicket,
    KeyUpdate,
    NotRead,
    EarlyData,
    ClientKeyMessage,
    ServerKeyMessage,
    PushRequest,
    PushReply,
    ControlText,
    ApplicationData,
    DataBegins,
    Warning,
    Alert,
    CloseNotify,
    AuthFailed,
    Exit,
    SessionEnded,
    Sealed,
    NotKept,
    NotHeard,
    NoAnswer,
    StrangersPacketDropped,
    PacketDropped,
    SessionsPacketDropped,
    ControlPacketDropped,
    DataPacketDropped,
    OwnPacketDropped,
    ConnectionsWaited,
    Missing,
    NotCaptured,
    CutShort,
    Unreadable,
}

impl Kind {
    /// What is said of it.
    pub fn entry(self) -> &'static Entry {
        let found = all().find(|entry| entry.kind == self);
        // A test holds that every kind has its entry.
        found.unwrap_or(&secured::UNREADABLE)
    }
}

/// The whole table.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    let first = openvpn::ENTRIES.iter().chain(hello::ENTRIES).chain(shown::ENTRIES);
    first.chain(secured::ENTRIES).chain(dropped::ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_entry_and_no_sentence_has_more_than_25_words() {
        let mut kinds: Vec<Kind> = all().map(|entry| entry.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), all().count(), "an entry is there twice");
        assert_eq!(kinds.len(), Kind::Unreadable as usize + 1, "a kind has no entry");
        let sentences = all().map(|entry| entry.sentence);
        for sentence in sentences.chain(Chapter::ALL.map(Chapter::sentence)) {
            assert!(sentence.split_whitespace().count() <= 25, "{sentence}");
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn names_are_titles_in_snake_case_and_unique() {
        let mut names: Vec<&str> = all().map(|entry| entry.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn every_entry_says_what_is_proved_what_is_left_open_and_where_it_is_specified() {
        for entry in all() {
            assert!(!entry.proves.is_empty() && !entry.leaves_open.is_empty(), "{}", entry.name);
            assert!(!entry.section.is_empty() && !entry.terms.is_empty(), "{}", entry.name);
        }
    }
}
