//! What the two say inside TLS: key messages and lines of text.
//!
//! Random values, passwords, tokens and answers to challenges are read over and never kept.

use wire::key_method::{ClientKeyMessage, ServerKeyMessage};
use wire::message::{self, ControlMessage};
use wire::push::PushOption;

use super::packets::Agreed;
use crate::catalogue::Kind;
use crate::fact::Detail;
use crate::field::Field;
use crate::place::Side;

/// What a record says.
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) fields: Vec<Field>,
    pub(super) detail: Detail,
}

/// Reads what is said inside the TLS of one generation of keys.
#[derive(Default)]
pub(super) struct Inside {
    client_key: bool,
    server_key: bool,
    /// Of the tunnel's packets, once it was pushed.
    pub(super) agreed: Option<Agreed>,
}

impl Inside {
    /// One record; its first in each direction is the key message.
    pub(super) fn record(&mut self, from: Side, content: &[u8]) -> Vec<Said> {
        let had = match from {
            Side::Client => std::mem::replace(&mut self.client_key, true),
            Side::Server => std::mem::replace(&mut self.server_key, true),
        };
        match (had, from) {
            // The key message itself may be missing.
            (false, Side::Client) => {
                client_key(content).map_or_else(|| self.messages(content), one)
            }
            (false, Side::Server) => {
                server_key(content).map_or_else(|| self.messages(content), one)
            }
            (true, _) => self.messages(content),
        }
    }

    fn messages(&mut self, content: &[u8]) -> Vec<Said> {
        let messages: Vec<ControlMessage> = message::parse(content).into_iter().flatten().collect();
        messages.iter().for_each(|message| self.agree(message));
        messages.into_iter().map(said).collect()
    }
}

impl Inside {
    fn agree(&mut self, message: &ControlMessage) {
        if let ControlMessage::PushReply(part) = message {
            self.agreed = self.agreed.or_else(|| Agreed::of(&part.options));
        }
    }
}

fn one(said: Said) -> Vec<Said> {
    vec![said]
}

fn client_key(content: &[u8]) -> Option<Said> {
    let message = ClientKeyMessage::parse(content).ok()?;
    let mut fields = vec![Field::text("options", &message.options)];
    if !message.username.is_empty() {
        fields.push(Field::text("user_name", &message.username));
    }
    if !message.password.is_empty() {
        fields.push(Field::text("password", "(sent, and not shown)"));
    }
    fields.extend(message.peer_info.lines().take(30).map(|line| Field::text("peer_info", line)));
    Some(Said { kind: Kind::ClientKeyMessage, fields, detail: Detail::None })
}

fn server_key(content: &[u8]) -> Option<Said> {
    let message = ServerKeyMessage::parse(content).ok()?;
    let fields = vec![Field::text("options", &message.options)];
    Some(Said { kind: Kind::ServerKeyMessage, fields, detail: Detail::None })
}

fn said(message: ControlMessage) -> Said {
    let (kind, fields, detail) = match &message {
        ControlMessage::PushRequest => (Kind::PushRequest, Vec::new(), Detail::None),
        ControlMessage::PushReply(part) => {
            let cipher = part.options.iter().find_map(|option| match option {
                PushOption::Cipher(name) => {
                    Some(Detail::DataCipher(crate::field::cut(&name.to_string())))
                }
                _ => None,
            });
            let fields = part.options.iter().take(100).map(pushed).collect();
            (Kind::PushReply, fields, cipher.unwrap_or_default())
        }
        ControlMessage::AuthFailed(failure) => {
            let text = crate::field::cut(&failure.to_string());
            (Kind::AuthFailed, vec![Field::text("message", &text)], Detail::None)
        }
        ControlMessage::Exit => (Kind::Exit, vec![Field::text("message", "EXIT")], Detail::None),
        ControlMessage::Restart { .. } => {
            (Kind::Exit, vec![Field::text("message", "RESTART")], Detail::None)
        }
        ControlMessage::Halt(_) => (Kind::Exit, vec![Field::text("message", "HALT")], Detail::None),
        // What stands behind the first word may be an answer to a challenge.
        other => {
            let text = other.to_string();
            let word = text.split(',').next().unwrap_or_default();
            (Kind::ControlText, vec![Field::text("message", word)], Detail::None)
        }
    };
    Said { kind, fields, detail }
}

/// An option's text, unless it is or may be a secret.
fn pushed(option: &PushOption) -> Field {
    match option {
        PushOption::AuthToken(_) => Field::text("pushed", "auth-token (not shown)"),
        PushOption::Other(text) => {
            Field::text("pushed", text.split(' ').next().unwrap_or_default())
        }
        known => Field::text("pushed", &known.to_string()),
    }
}
