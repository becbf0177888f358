//! As much of XML as a stream before TLS takes: one tag after the other, without looking ahead.
//!
//! Whole documents never come, so that tags are cut here; what stands inside one is `quick_xml`'s. Comments, document
//! types and instructions are forbidden in a stream (RFC 6120 section 11.1), and are no tags.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::fault::Fault;

/// One tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    /// Without its prefix.
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

/// What a tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `<a>`
    Open,
    /// `</a>`
    Close,
    /// `<a/>`
    Alone,
}

/// Where the first tag, or the text before it, ends.
pub(crate) fn cut(octets: &[u8]) -> Option<usize> {
    if octets.first()? != &b'<' {
        return memchr::memchr(b'<', octets).or(Some(octets.len()));
    }
    let mut quote = None;
    let end = octets.iter().position(|octet| match (octet, quote) {
        (b'>', None) => true,
        (b'"' | b'\'', None) => {
            quote = Some(*octet);
            false
        }
        (octet, Some(open)) if *octet == open => {
            quote = None;
            false
        }
        _ => false,
    });
    end.map(|end| end + 1)
}

impl Tag {
    /// Reads what [`cut`] gave: a tag, or `None` for white space and the declaration of a document.
    ///
    /// # Errors
    /// [`Fault::Malformed`] for anything else.
    pub(crate) fn read(frame: &[u8]) -> Result<Option<Self>, Fault> {
        // What else is blank takes several octets, which may come one by one.
        if frame.trim_ascii().is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(frame).map_err(|_| Fault::Malformed)?;
        if text.starts_with("<?xml ") {
            return Ok(None);
        }
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        (config.check_end_names, config.allow_unmatched_ends) = (false, true);
        match reader.read_event().map_err(|_| Fault::Malformed)? {
            Event::Start(tag) => Self::of(Kind::Open, &tag).map(Some),
            Event::Empty(tag) => Self::of(Kind::Alone, &tag).map(Some),
            Event::End(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                Ok(Some(Self { kind: Kind::Close, name, attributes: Vec::new() }))
            }
            _ => Err(Fault::Malformed),
        }
    }

    fn of(kind: Kind, tag: &BytesStart<'_>) -> Result<Self, Fault> {
        let name = tag.local_name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| Fault::Malformed)?;
            let key = attribute.key.as_ref().to_owned();
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| Fault::Malformed)?;
            attributes.push((key, value.into_owned()));
        }
        Ok(Self { kind, name, attributes })
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// Whether some namespace that it declares is this one.
    pub(crate) fn declares(&self, space: &str) -> bool {
        let declares = |key: &str| key == "xmlns" || key.starts_with("xmlns:");
        self.attributes.iter().any(|(key, value)| declares(key) && value == space)
    }
}

/// As an attribute's value or a text.
pub(crate) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        assert_eq!(cut(text.as_bytes()), Some(text.len()), "{text}");
        Tag::read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_tag_ends_where_it_ends_and_says_what_it_says() {
        let stream = tag("<stream:stream to='a&amp;b>c' xmlns='jabber:client' version=\"1.0\">");
        assert_eq!((stream.kind, stream.name.as_str()), (Kind::Open, "stream"));
        assert_eq!(stream.attribute("to"), Some("a&b>c"));
        assert!(stream.declares("jabber:client"));
        assert_eq!(tag("<starttls xmlns='x'/>").kind, Kind::Alone);
        assert_eq!(tag("</stream:features>").name, "features");
        assert_eq!(cut(b"<a b='>"), None);
        assert_eq!(cut(b" \n<a>"), Some(2));
        assert_eq!(Tag::read(b"<?xml version='1.0'?>"), Ok(None));
        for wrong in ["text", "\u{a0}", "<!-- x -->", "<!DOCTYPE a>", "<a b>", "<?php x?>"] {
            assert_eq!(Tag::read(wrong.as_bytes()), Err(Fault::Malformed), "{wrong}");
        }
    }
}
