//! Replies with a number, one line or more (RFC 5321 section 4.2.1, RFC 959 section 4.2).

use crate::line::bare;

/// One line of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReplyLine<'a> {
    pub(crate) code: u16,
    pub(crate) is_last: bool,
    pub(crate) text: &'a [u8],
}

impl<'a> ReplyLine<'a> {
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        let line = bare(line);
        let (digits, rest) = line.split_at_checked(3)?;
        let code = digits.iter().all(u8::is_ascii_digit);
        let code =
            code.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))?;
        match rest.split_first() {
            None => Some(Self { code, is_last: true, text: rest }),
            Some((b' ', text)) => Some(Self { code, is_last: true, text }),
            Some((b'-', text)) => Some(Self { code, is_last: false, text }),
            Some(_) => None,
        }
    }

    /// Whether it is a success.
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_number_a_mark_and_a_text() {
        let of = |line: &'static [u8]| ReplyLine::read(line);
        let line = |code, is_last, text| Some(ReplyLine { code, is_last, text });
        assert_eq!(of(b"220 hi\r\n"), line(220, true, b"hi"));
        assert_eq!(of(b"250-STARTTLS\r\n"), line(250, false, b"STARTTLS"));
        assert_eq!(of(b"250\r\n"), line(250, true, b""));
        for wrong in [&b"25\r\n"[..], b"2500 x\r\n", b"abc x\r\n", b"", b"+12 x"] {
            assert_eq!(ReplyLine::read(wrong), None, "{wrong:?}");
        }
    }
}
