//! Which words are reasons: whoever asks for another has mistyped it, and is not to look for it among what did not happen.

use engine::DisconnectReason;
use tunnel::EndReason;

use super::{drops, front_reasons};

/// Whose reason a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonOf {
    /// The gateway refuses, ends or drops for it.
    Gateway,
    /// Clients alone meet it, and what it is.
    Clients(&'static str),
    /// Nobody's.
    Nobody,
}

/// Who meets this reason.
pub(crate) fn reason_of(code: &str) -> ReasonOf {
    let of_clients = EndReason::CLIENT_CODES.into_iter().chain(AT_THE_CLIENT);
    match of_clients.into_iter().find(|(known, _)| *known == code) {
        Some((_, what)) => ReasonOf::Clients(what),
        None if is_of_the_gateway(code) => ReasonOf::Gateway,
        None => ReasonOf::Nobody,
    }
}

fn is_of_the_gateway(code: &str) -> bool {
    let refused = DisconnectReason::codes().chain(front::Refused::codes());
    let mut all = refused.chain(front_reasons::ENDS);
    all.any(|known| known == code) || drops::outcome(code).is_some()
}

/// Reasons of which the code knows no side, and which come of what a client does.
const AT_THE_CLIENT: [(&str, &str); 2] = [
    ("name_mismatch", "the server is not the one that the profile names"),
    ("own_key_message", "user name, password or facts of the system are too long"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Its tables, which tests hold against what is counted.
    const OPERATION: &str = include_str!("../../../../docs/operation.md");

    #[test]
    fn every_reason_of_the_handbook_is_one_and_a_mistyped_one_is_not() {
        let (_, table) = OPERATION.split_once("| reason | what it means | what to do |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let (of_clients, of_gateway): (Vec<&str>, Vec<&str>) =
            rows.partition(|row| row.contains("| client: "));
        let code = |row: &&str| row.split('`').nth(1).map(str::to_owned);
        let codes: Vec<String> = of_gateway.iter().filter_map(code).collect();
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            assert_eq!(reason_of(&code), ReasonOf::Gateway, "{code}");
        }
        let codes: Vec<String> = of_clients.iter().filter_map(code).collect();
        assert!(codes.contains(&"auth_failed".to_owned()), "{codes:?}");
        for code in codes {
            assert!(
                matches!(reason_of(&code), ReasonOf::Clients(what) if !what.is_empty()),
                "{code}"
            );
        }
        for code in ["connection_broke", "wrong_tls_auth_key"] {
            assert_eq!(reason_of(code), ReasonOf::Gateway);
        }
        assert_eq!(reason_of("kickd"), ReasonOf::Nobody);
    }
}
