//! The hellos: what both sides say they speak.
//!
//! Everything is kept as the numbers that stand there; unknown ones stay.

use std::borrow::Cow;

use super::names;
use super::reader::{Reader, numbers};
use crate::field::Field;

/// The random value by which a HelloRetryRequest is known (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
pub(crate) const TLS12: u16 = 0x0303;
pub(crate) const TLS13: u16 = 0x0304;
const SERVER_NAME: u16 = 0;
const STATUS_REQUEST: u16 = 5;
const GROUPS: u16 = 10;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;
const ENCRYPT_THEN_MAC: u16 = 22;
const PSK: u16 = 41;
const EARLY_DATA: u16 = 42;
const VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// Kinds and contents, in their order.
pub(crate) type Extensions<'a> = Vec<(u16, &'a [u8])>;

/// A hello of either side.
pub(crate) struct Hello<'a> {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session: &'a [u8],
    /// Numbers: all that a client offers; the one that a server chose.
    suites: &'a [u8],
    extensions: Extensions<'a>,
}

impl<'a> Hello<'a> {
    pub(crate) fn of_client(body: &'a [u8]) -> Option<Hello<'a>> {
        let mut reader = Reader::new(body);
        let (version, random) = (reader.u16()?, reader.array()?);
        let (session, suites) = (reader.short()?, reader.long()?);
        reader.short()?;
        Some(Hello { version, random, session, suites, extensions: rest_extensions(&mut reader)? })
    }

    pub(crate) fn of_server(body: &'a [u8]) -> Option<Hello<'a>> {
        let mut reader = Reader::new(body);
        let (version, random) = (reader.u16()?, reader.array()?);
        let (session, suites) = (reader.short()?, reader.take(2)?);
        reader.u8()?;
        Some(Hello { version, random, session, suites, extensions: rest_extensions(&mut reader)? })
    }

    pub(crate) fn is_retry(&self) -> bool {
        self.random == RETRY
    }

    fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        extension(&self.extensions, kind)
    }

    /// The first of the suites: a server's one.
    pub(crate) fn suite(&self) -> Option<u16> {
        numbers(self.suites).next()
    }

    /// The version that a server chose.
    pub(crate) fn chosen_version(&self) -> u16 {
        self.extension(VERSIONS)
            .and_then(|content| Reader::new(content).u16())
            .unwrap_or(self.version)
    }

    /// A server that agrees to codes behind what is encrypted (RFC 7366).
    pub(crate) fn puts_mac_behind(&self) -> bool {
        self.extension(ENCRYPT_THEN_MAC).is_some()
    }

    /// A client that sends data before the server has answered.
    pub(crate) fn offers_early_data(&self) -> bool {
        self.extension(EARLY_DATA).is_some()
    }

    /// A server that takes a key that both had before: of a ticket of TLS 1.3, or agreed otherwise.
    pub(crate) fn takes_ticket(&self) -> bool {
        self.extension(PSK).is_some()
    }

    pub(crate) fn client_fields(&self) -> Vec<Field> {
        let mut fields = self.common_fields();
        fields.extend(numbers(self.suites).map(suite_field));
        let versions = self.extension(VERSIONS).and_then(|content| Reader::new(content).short());
        fields.extend(
            numbers(versions.unwrap_or_default())
                .map(|version| Field::code("supported_version", version, names::version(version))),
        );
        fields
            .extend(numbers(self.list(GROUPS)).map(|group| group_field("supported_group", group)));
        fields.extend(self.client_shares().map(|group| group_field("key_share_group", group)));
        fields
            .extend(numbers(self.list(SIGNATURES)).map(|scheme| {
                Field::code("signature_algorithm", scheme, names::signature(scheme))
            }));
        fields.extend(self.server_name().map(|name| Field::text("server_name", &name)));
        fields.extend(protocol_fields(&self.extensions));
        if self.extension(STATUS_REQUEST).is_some() {
            fields.push(Field::number("asks_for_staple", 1u8));
        }
        if self.extension(PSK).is_some() {
            fields.push(Field::number("offers_ticket", 1u8));
        }
        fields
    }

    pub(crate) fn server_fields(&self) -> Vec<Field> {
        let mut fields = self.common_fields();
        let version = self.chosen_version();
        fields.push(Field::code("version", version, names::version(version)));
        fields.extend(numbers(self.suites).map(suite_field));
        if self.extension(VERSIONS).is_some() {
            fields.push(Field::code("supported_version", version, names::version(version)));
        }
        let share = self.extension(KEY_SHARE).and_then(|content| Reader::new(content).u16());
        let name = if self.is_retry() { "key_share_selected" } else { "key_share_group" };
        fields.extend(share.map(|group| group_field(name, group)));
        fields.extend(protocol_fields(&self.extensions));
        fields
    }

    fn common_fields(&self) -> Vec<Field> {
        [
            Field::code("legacy_version", self.version, names::version(self.version)),
            Field::bytes("random", &self.random),
            Field::bytes("session_id", self.session),
        ]
        .into_iter()
        .chain(extension_fields(&self.extensions))
        .collect()
    }

    /// What such an extension lists.
    fn list(&self, kind: u16) -> &'a [u8] {
        list(&self.extensions, kind)
    }

    fn client_shares(&self) -> impl Iterator<Item = u16> {
        let mut shares = Reader::new(self.list(KEY_SHARE));
        std::iter::from_fn(move || {
            let group = shares.u16()?;
            shares.long().map(|_| group)
        })
    }

    fn server_name(&self) -> Option<Cow<'a, str>> {
        let mut names = Reader::new(Reader::new(self.extension(SERVER_NAME)?).long()?);
        match names.u8()? {
            0 => Some(String::from_utf8_lossy(names.long()?)),
            _ => None,
        }
    }
}

fn extension<'a>(extensions: &Extensions<'a>, kind: u16) -> Option<&'a [u8]> {
    extensions.iter().find(|(have, _)| *have == kind).map(|(_, content)| *content)
}

/// What such an extension lists, behind the list's length.
pub(crate) fn list<'a>(extensions: &Extensions<'a>, kind: u16) -> &'a [u8] {
    let content = extension(extensions, kind);
    content.and_then(|content| Reader::new(content).long()).unwrap_or_default()
}

/// The protocols of an ALPN extension among these.
pub(crate) fn protocol_fields(extensions: &Extensions<'_>) -> impl Iterator<Item = Field> {
    let mut names = Reader::new(list(extensions, ALPN));
    std::iter::from_fn(move || names.short())
        .map(|name| Field::text("alpn", &String::from_utf8_lossy(name)))
}

fn rest_extensions<'a>(reader: &mut Reader<'a>) -> Option<Extensions<'a>> {
    if reader.is_empty() { Some(Vec::new()) } else { extensions(reader.long()?) }
}

/// Kinds and contents behind each other.
pub(crate) fn extensions(list: &[u8]) -> Option<Extensions<'_>> {
    let mut reader = Reader::new(list);
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push((reader.u16()?, reader.long()?));
    }
    Some(all)
}

/// The kinds of extensions, in their order.
pub(crate) fn extension_fields(extensions: &Extensions<'_>) -> impl Iterator<Item = Field> {
    extensions.iter().map(|(kind, _)| extension_field(*kind))
}

pub(crate) fn extension_field(kind: u16) -> Field {
    let field = Field::number("extension", kind);
    match names::extension(kind) {
        Some(name) => field.known(name),
        None => field,
    }
}

fn suite_field(suite: u16) -> Field {
    Field::code("cipher_suite", suite, names::suite(suite))
}

fn group_field(name: &'static str, group: u16) -> Field {
    let field = Field::code(name, group, names::group(group));
    match (names::is_hybrid(group), names::group(group)) {
        (true, Some(known)) => {
            field.meaning(&format!("{known}: a classical and a post-quantum exchange in one"))
        }
        _ => field,
    }
}
