//! What a web server says inside TLS that bears on TLS: whether browsers are to come back without it.

use crate::field::Field;
use crate::place::Side;

/// The most of an answer that is looked at.
const LONGEST_HEAD: usize = 16 * 1024;
const HSTS: &str = "strict-transport-security";
const BEGINS: &[u8] = b"HTTP/1.";

/// The head of an answer, which may come in several records.
pub(super) struct Head {
    bytes: Vec<u8>,
    has_status: bool,
    is_over: bool,
}

impl Head {
    /// The head that begins with these bytes of a side, if one does.
    pub(super) fn begin(from: Side, content: &[u8]) -> Option<Head> {
        let begins =
            content.starts_with(BEGINS) || (!content.is_empty() && BEGINS.starts_with(content));
        (from == Side::Server && begins).then(|| Head {
            bytes: Vec::new(),
            has_status: false,
            is_over: false,
        })
    }

    /// Takes what comes next: what is known now and was not before. That a line was not sent is known behind the
    /// empty line alone.
    pub(super) fn more(&mut self, content: &[u8]) -> Vec<Field> {
        if self.is_over {
            return Vec::new();
        }
        let room = LONGEST_HEAD.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(content.get(..content.len().min(room)).unwrap_or_default());
        let text = String::from_utf8_lossy(&self.bytes);
        // The last piece is not known to be whole.
        let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let whole = lines.split_last().map_or(&[][..], |(_, whole)| whole);
        let head: Vec<&str> = whole.iter().copied().take_while(|line| !line.is_empty()).collect();
        let is_complete = head.len() < whole.len();
        let mut fields = Vec::new();
        if let (false, Some(status)) = (self.has_status, head.first()) {
            self.has_status = true;
            fields.push(Field::text("http_status", status));
        }
        let hsts = head.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(HSTS).then(|| value.trim())
        });
        if let Some(said) = hsts.or(is_complete.then_some("(not sent)")) {
            fields.push(Field::text("hsts", said));
            self.is_over = true;
        }
        self.is_over |= self.bytes.len() >= LONGEST_HEAD;
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(records: &[&str]) -> Vec<String> {
        let first = records.first().map(|first| first.as_bytes()).unwrap_or_default();
        let Some(mut head) = Head::begin(Side::Server, first) else { return Vec::new() };
        let fields = records.iter().flat_map(|record| head.more(record.as_bytes()));
        fields.map(|field| field.value).collect()
    }

    #[test]
    fn the_line_is_found_in_an_answer_and_in_nothing_else() {
        let answer =
            "HTTP/1.1 200 OK\r\nServer: x\r\nstrict-Transport-Security: max-age=60\r\n\r\nx";
        assert_eq!(values(&[answer]), ["HTTP/1.1 200 OK", "max-age=60"]);
        let none = "HTTP/1.1 200 OK\r\n\r\nStrict-Transport-Security: max-age=60\r\n";
        assert_eq!(values(&[none]), ["HTTP/1.1 200 OK", "(not sent)"]);
        assert!(Head::begin(Side::Client, answer.as_bytes()).is_none());
        assert!(values(&["220 mail"]).is_empty());
    }

    #[test]
    fn a_head_in_several_records_is_read_to_its_end() {
        let cut = [
            "HT",
            "TP/1.1 200 OK\r\nServer: x\r\nStrict-Transport-Sec",
            "urity: max-age=60\r\n",
            "\r\n",
        ];
        assert_eq!(values(&cut), ["HTTP/1.1 200 OK", "max-age=60"]);
        // A line that may come yet is not said to be missing.
        assert_eq!(values(&["HTTP/1.1 200 OK\r\nServer: x\r\n"]), ["HTTP/1.1 200 OK"]);
        assert_eq!(values(&["HTTP/1.1 200 OK\r\n", "\r\n"]), ["HTTP/1.1 200 OK", "(not sent)"]);
        let long = "HTTP/1.1 200 OK\r\nx: ".to_owned() + &"x".repeat(2 * LONGEST_HEAD);
        assert_eq!(values(&[&long, "\r\n\r\n"]), ["HTTP/1.1 200 OK"]);
    }
}
