//! What a client says about itself: `NAME=value` lines.
//!
//! Names and values of a parsed [`PeerInfo`] are harmless: other characters are replaced or the line is
//! dropped, as in the reference, so that they may go into logs and environments.

use std::fmt;

use crate::cipher::{Cipher, ClientOffer};
use crate::options::cipher_token;

/// The longest line that is kept.
const MAX_LINE: usize = 255;
/// More lines than any client sends.
const MAX_LINES: usize = 128;

/// A client's lines, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerInfo(Vec<(String, String)>);

impl PeerInfo {
    /// The name of the line that [`Self::receive_buffer`] reads.
    pub const RECEIVE_BUFFER: &str = "IV_RCVBUF";

    /// The name of the line that [`Self::profile`] reads. Stock clients send it where they push what is theirs
    /// (`push-peer-info`).
    pub const PROFILE: &str = "UV_HANDFAST_PROFILE";

    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses what a client sent. Lines that don't fit the filter are dropped.
    pub fn parse(text: &str) -> Self {
        Self(text.split('\n').filter_map(parse_line).take(MAX_LINES).collect())
    }

    /// Adds a line; false if name or value don't fit the filter that servers apply.
    pub fn push(&mut self, name: &str, value: &str) -> bool {
        let line = format!("{name}={value}");
        match parse_line(&line) {
            Some((clean_name, clean)) if clean_name == name && clean == value => {
                self.0.push((clean_name, clean));
                true
            }
            _ => false,
        }
    }

    /// The lines as a client sends them.
    pub fn encode(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The value of the first line with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `IV_PROTO`; no bit set if absent or not a number.
    pub fn iv_proto(&self) -> IvProto {
        IvProto(self.number("IV_PROTO").unwrap_or(0))
    }

    /// `IV_CIPHERS`, as far as its names are known; none if it wasn't sent.
    pub fn ciphers(&self) -> Option<Vec<Cipher>> {
        self.get("IV_CIPHERS").map(Cipher::parse_list)
    }

    /// The highest tunnel MTU that the client takes by push; none if it takes no push of it.
    pub fn max_mtu(&self) -> Option<u16> {
        let mtu = self.number("IV_MTU")?;
        Some(u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// What its socket's receive buffer holds, as the kernel counts it, in bytes. Our clients alone say so.
    pub fn receive_buffer(&self) -> Option<u32> {
        self.number(Self::RECEIVE_BUFFER)
    }

    /// The mark of the settings that its profile was written with, as the profile has it.
    pub fn profile(&self) -> Option<&str> {
        self.get(Self::PROFILE)
    }

    /// Everything the client said about ciphers, here and in its options string.
    pub fn cipher_offer(&self, options: &str) -> ClientOffer {
        let ncp = self.number("IV_NCP").unwrap_or(0);
        ClientOffer::new(self.get("IV_CIPHERS"), ncp, cipher_token(options))
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let known = name == "ID" || name.starts_with("IV_") || name.starts_with("UV_");
    let clean = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !known || !clean || name.len() >= MAX_LINE {
        return None;
    }
    let value = value.chars().take(MAX_LINE - name.len() - 1).map(harmless).collect();
    Some((name.to_owned(), value))
}

fn harmless(character: char) -> char {
    match character {
        '$' | '(' | '`' => '_',
        c if c.is_ascii_graphic() => c,
        _ => '_',
    }
}

/// The abilities in `IV_PROTO`. Unknown bits are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct IvProto(pub u32);

impl IvProto {
    /// Understands `DATA_V2` and a pushed peer-id.
    pub const DATA_V2: IvProto = IvProto(1 << 1);
    /// The server may send the push reply unasked.
    pub const REQUEST_PUSH: IvProto = IvProto(1 << 2);
    /// Data keys by TLS exporter.
    pub const TLS_KEY_EXPORT: IvProto = IvProto(1 << 3);
    /// Understands keywords in `AUTH_PENDING`.
    pub const AUTH_PENDING: IvProto = IvProto(1 << 4);
    /// Negotiation between two peers without push.
    pub const NCP_P2P: IvProto = IvProto(1 << 5);
    /// The first form of the `dns` option.
    pub const DNS_V1: IvProto = IvProto(1 << 6);
    /// Understands `EXIT` on the control channel, and `protocol-flags`.
    pub const CC_EXIT_NOTIFY: IvProto = IvProto(1 << 7);
    /// Understands `AUTH_FAILED,TEMP`.
    pub const AUTH_FAILED_TEMP: IvProto = IvProto(1 << 8);
    /// Wraps renegotiations with a key from the first TLS session.
    pub const DYN_TLS_CRYPT: IvProto = IvProto(1 << 9);
    /// Data channel format with epochs.
    pub const DATA_EPOCH: IvProto = IvProto(1 << 10);
    /// The second form of the `dns` option.
    pub const DNS_V2: IvProto = IvProto(1 << 11);
    /// Understands `PUSH_UPDATE`.
    pub const PUSH_UPDATE: IvProto = IvProto(1 << 12);

    /// True if all bits of `other` are set.
    pub fn contains(self, other: IvProto) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: IvProto) -> IvProto {
        IvProto(self.0 | other.0)
    }
}

impl fmt::Debug for IvProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IvProto({:#x})", self.0)
    }
}

impl fmt::Display for IvProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_clients_lines_are_understood() {
        let text = "IV_VER=2.6.14\nIV_PLAT=linux\nIV_MTU=1600\nIV_NCP=2\n\
                    IV_CIPHERS=AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\nIV_PROTO=990\n";
        let info = PeerInfo::parse(text);
        assert_eq!(info.encode(), text);
        assert_eq!(info.get("IV_VER"), Some("2.6.14"));
        assert_eq!(info.ciphers(), Some(Cipher::DEFAULT.to_vec()));
        assert_eq!(info.max_mtu(), Some(1600));
        let proto = info.iv_proto();
        assert!(proto.contains(IvProto::TLS_KEY_EXPORT.with(IvProto::DATA_V2)));
        assert!(!proto.contains(IvProto::DATA_EPOCH) && !proto.contains(IvProto::NCP_P2P));
    }

    #[test]
    fn who_says_what_its_receive_buffer_holds_is_believed_and_nobody_else_is() {
        let of = |text| PeerInfo::parse(text).receive_buffer();
        assert_eq!(of("IV_RCVBUF=25165824\n"), Some(25_165_824));
        assert_eq!(of("IV_VER=2.6.14\n"), None);
        assert_eq!(of("IV_RCVBUF=much\n"), None);
        assert_eq!(of("IV_RCVBUF=5000000000\n"), None);
    }

    #[test]
    fn the_documented_totals_are_the_sums_of_their_bits() {
        let v26 = [
            IvProto::DATA_V2,
            IvProto::REQUEST_PUSH,
            IvProto::TLS_KEY_EXPORT,
            IvProto::AUTH_PENDING,
            IvProto::DNS_V1,
            IvProto::CC_EXIT_NOTIFY,
            IvProto::AUTH_FAILED_TEMP,
            IvProto::DYN_TLS_CRYPT,
        ];
        assert_eq!(v26.into_iter().fold(IvProto::default(), IvProto::with), IvProto(990));
    }

    #[test]
    fn dangerous_characters_and_foreign_names_do_not_get_through() {
        let info = PeerInfo::parse(
            "PATH=/x\nIV_A B=1\nUV_X=$(rm `y` z)\tä\nIV_NOVALUE\nIV_PROTO=-1\nID=1f\r\n",
        );
        let lines: Vec<_> = info.iter().collect();
        assert_eq!(lines, [("UV_X", "__rm__y__z)__"), ("IV_PROTO", "-1"), ("ID", "1f")]);
        assert_eq!(info.iv_proto(), IvProto(0));
    }

    #[test]
    fn lines_and_their_number_are_bounded() {
        let long = format!("UV_A={}\n", "x".repeat(1000));
        assert_eq!(PeerInfo::parse(&long).get("UV_A").unwrap().len(), MAX_LINE - 5);
        assert_eq!(PeerInfo::parse(&"UV_A=1\n".repeat(500)).iter().count(), MAX_LINES);
    }

    #[test]
    fn own_lines_must_survive_the_servers_filter() {
        let mut info = PeerInfo::new();
        assert!(info.push("IV_VER", "0.1"));
        assert!(!info.push("IV_GUI_VER", "two words"));
        assert!(!info.push("HOME", "x"));
        assert_eq!(info.encode(), "IV_VER=0.1\n");
    }
}
