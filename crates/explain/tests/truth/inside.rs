//! What stands inside of the TLS of a VPN, in the bytes that tshark decrypts: key messages, and lines of text.

use crate::step::{Step, cut};
use crate::stream::Side;
use crate::theirs::Seen;
use crate::tls::Plain;

/// Options of a push that are told by their first word alone: what stands behind it is nobody's business.
const FIRST_WORD_ALONE: &[&str] = &["auth-token"];

/// The steps of one record.
pub(crate) fn said(plain: Plain, seen: &mut Seen) -> Vec<Step> {
    let Plain { step, content } = plain;
    if content.starts_with(&[0, 0, 0, 0, 2]) {
        return vec![key_message(step, &content[5..])];
    }
    let text = String::from_utf8_lossy(&content).into_owned();
    let lines = text.split('\0').filter(|line| !line.is_empty());
    lines.map(|line| told(&step, line, seen)).collect()
}

fn told(step: &Step, line: &str, seen: &mut Seen) -> Step {
    let mut told = Step::new("", step.at, step.from, step.basis.clone());
    (told.key, told.handshake) = (step.key.clone(), step.handshake);
    let word = line.split(',').next().unwrap_or_default();
    match word {
        "PUSH_REQUEST" => told.entry = "push_request",
        "PUSH_REPLY" => {
            told.entry = "push_reply";
            for option in line.split(',').skip(1) {
                if let Some(cipher) = option.strip_prefix("cipher ") {
                    seen.data_cipher.get_or_insert(cipher.to_owned());
                }
                told.add("pushed", pushed(option), None);
            }
        }
        "AUTH_FAILED" => {
            told.entry = "auth_failed";
            told.add("message", cut(line), None);
        }
        "EXIT" | "RESTART" | "HALT" => {
            told.entry = "exit";
            told.add("message", word, None);
        }
        _ => {
            told.entry = "control_text";
            told.add("message", word, None);
        }
    }
    told
}

fn pushed(option: &str) -> String {
    let word = option.split(' ').next().unwrap_or_default();
    match FIRST_WORD_ALONE.contains(&word) {
        true => format!("{word} (not shown)"),
        false => cut(option),
    }
}

/// A client's has a secret and two random values before its texts, a server's the two values.
fn key_message(mut step: Step, rest: &[u8]) -> Step {
    let (entry, random) = match step.from {
        Side::Client => ("client_key_message", 112),
        Side::Server => ("server_key_message", 64),
    };
    step.entry = entry;
    let mut rest = &rest[random..];
    let mut text = || {
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let text = String::from_utf8_lossy(rest.get(2..2 + length)?).into_owned();
        rest = &rest[2 + length..];
        Some(text.trim_end_matches('\0').to_owned())
    };
    let texts = [text(), text(), text(), text()].map(Option::unwrap_or_default);
    let [options, user, password, peer] = texts;
    step.add("options", cut(&options), None);
    if step.from == Side::Client {
        if !user.is_empty() {
            step.add("user_name", cut(&user), None);
        }
        if !password.is_empty() {
            step.add("password", "(sent, and not shown)", None);
        }
        peer.lines().take(30).for_each(|line| step.add("peer_info", cut(line), None));
    }
    step
}
