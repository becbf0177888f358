//! What a server gives a client in place of its password.

use wire::push::{PushOption, PushReply};
use zeroize::Zeroizing;

/// A pushed token and the user that it is for; empty for none.
#[derive(Clone, Default)]
pub(crate) struct Token {
    pub(crate) password: Zeroizing<String>,
    pub(crate) user: String,
}

impl Token {
    /// Keeps what a push says of it.
    pub(super) fn learn(&mut self, reply: &PushReply) {
        for option in &reply.options {
            match option {
                PushOption::AuthToken(token) => self.password = token.0.clone(),
                PushOption::AuthTokenUser(user) => {
                    self.user = decode_base64(user).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
}

/// The user name of `auth-token-user`.
fn decode_base64(text: &str) -> Option<String> {
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        bits = (bits << 6 | u32::from(digit(byte)?)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_user_is_read_from_base64() {
        for (text, name) in
            [("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("w7w=", "\u{fc}"), ("", "")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(name));
        }
        assert_eq!(decode_base64("a b"), None);
    }
}
