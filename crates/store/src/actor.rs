//! Who made a change. Part of every event.

use std::fmt;

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The running gateway, of its own accord (a deadline, a first connection).
    Gateway,
    /// A person or program on this machine, told by the peer credentials of the control socket, or
    /// by the process' own ids where a command works on the store itself.
    Local {
        /// The user id.
        uid: u32,
        /// The account's name, if the system knows one.
        name: Option<String>,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Local { uid, name: None } => write!(f, "uid:{uid}"),
            Self::Local { uid, name: Some(name) } => write!(f, "uid:{uid}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_as_one_word() {
        assert_eq!(Actor::Gateway.to_string(), "gateway");
        let root = Actor::Local { uid: 0, name: Some("root".into()) };
        assert_eq!(root.to_string(), "uid:0/root");
        assert_eq!(Actor::Local { uid: 1000, name: None }.to_string(), "uid:1000");
    }
}
