//! What a server speaks that answers with something else than TLS: known by its first bytes.

/// The most bytes that one is known by.
pub(super) const LONGEST_GREETING: usize = 16;

/// The name of a protocol in the clear that begins so.
pub(super) fn of(begins: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: &[(&[u8], &str)] = &[
        (b"HTTP/", "HTTP"),
        (b"<!DOCTYPE", "HTTP"),
        (b"<html", "HTTP"),
        (b"SSH-", "SSH"),
        (b"220 ", "SMTP or FTP"),
        (b"220-", "SMTP or FTP"),
        (b"500 ", "SMTP or FTP"),
        (b"* OK", "IMAP"),
        (b"* BYE", "IMAP"),
        (b"+OK", "POP3"),
        (b"<?xml", "XMPP"),
        (b"<stream", "XMPP"),
        (b"RFB ", "VNC"),
        (b"AMQP", "AMQP"),
        (b"-ERR", "POP3 or Redis"),
        (b"200 ", "NNTP"),
        (b"201 ", "NNTP"),
    ];
    let known = BEGINNINGS.iter().find(|(first, _)| begins.starts_with(first));
    known.map(|(_, name)| *name).or_else(|| is_mysql(begins).then_some("MySQL"))
}

/// A greeting of MySQL: its length, packet 0, version 10 of its protocol.
fn is_mysql(begins: &[u8]) -> bool {
    matches!(begins, [_, 0, 0, 0, 10, digit, ..] if digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_protocol_is_known_by_its_first_bytes_and_other_bytes_are_nothing() {
        assert_eq!(of(b"HTTP/1.1 400 Bad Request"), Some("HTTP"));
        assert_eq!(of(b"SSH-2.0-OpenSSH_9.2"), Some("SSH"));
        assert_eq!(of(b"220 mail.example.org ESMTP"), Some("SMTP or FTP"));
        assert_eq!(of(b"\x4a\0\0\0\x0a8.0.36\0"), Some("MySQL"));
        assert_eq!((of(b"\x16\x03\x03"), of(b"")), (None, None));
    }
}
