//! What a web server says inside TLS that bears on TLS: whether browsers are to come back without it.

use crate::field::Field;
use crate::place::Side;

/// The most of an answer that is looked at.
const LONGEST_HEAD: usize = 16 * 1024;
const HSTS: &str = "strict-transport-security";

/// The status line and the line of HSTS, if this is the head of an answer.
pub(super) fn fields(from: Side, content: &[u8]) -> Vec<Field> {
    if from == Side::Client || !content.starts_with(b"HTTP/1.") {
        return Vec::new();
    }
    let head = content.get(..content.len().min(LONGEST_HEAD)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let status = lines.next().unwrap_or_default().to_owned();
    let hsts = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(HSTS).then(|| value.trim().to_owned())
    });
    let hsts = hsts.as_deref().unwrap_or("(not sent)");
    vec![Field::text("http_status", &status), Field::text("hsts", hsts)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_an_answer_and_in_nothing_else() {
        let values = |from, content: &str| {
            let fields = fields(from, content.as_bytes());
            fields.into_iter().map(|field| field.value).collect::<Vec<_>>()
        };
        let answer =
            "HTTP/1.1 200 OK\r\nServer: x\r\nstrict-Transport-Security: max-age=60\r\n\r\nx";
        assert_eq!(values(Side::Server, answer), ["HTTP/1.1 200 OK", "max-age=60"]);
        let none = "HTTP/1.1 200 OK\r\n\r\nStrict-Transport-Security: max-age=60\r\n";
        assert_eq!(values(Side::Server, none), ["HTTP/1.1 200 OK", "(not sent)"]);
        assert!(values(Side::Client, answer).is_empty());
        assert!(values(Side::Server, "220 mail").is_empty());
    }
}
