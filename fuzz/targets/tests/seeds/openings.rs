//! Seeds of `front`: how connections to a shared address begin.

use crate::seed;

pub(crate) fn write() {
    for (name, bytes) in [
        ("tls", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]),
        ("openvpn", b"\x00\x0e\x38\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00"),
        ("postgresql", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
        ("postgresql-gss", b"\x00\x00\x00\x08\x04\xd2\x16\x30"),
        ("postgresql-clear", b"\x00\x00\x00\x13\x00\x03\x00\x00user\0alice\0"),
        ("http", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("proxy-1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ("proxy-2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"),
        ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ] {
        seed("front_opening", name, bytes);
    }
    seed("front_hello", "client-hello", CLIENT_HELLO);
    let (begin, end) = CLIENT_HELLO[5..].split_at(40);
    let record = |part: &[u8]| [&[22, 3, 1, 0, part.len() as u8], part].concat();
    seed("front_hello", "two-records", [record(begin), record(end)].concat());
}

/// TLS 1.2, one suite, one name.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x5b\x01\x00\x00\x57\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x02\xc0\x2b\x01\x00\x00\x2c\
    \x00\x00\x00\x0e\x00\x0c\x00\x00\x09wiki.test\
    \x00\x0d\x00\x04\x00\x02\x04\x03\x00\x0a\x00\x04\x00\x02\x00\x17\
    \x00\x0b\x00\x02\x01\x00\x00\x17\x00\x00";
