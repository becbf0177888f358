//! Which words are reasons: whoever asks for another has mistyped it, and is not to look for it among what did not happen.

use engine::DisconnectReason;

use super::{drops, front_reasons};

/// Whether anything is ever refused, ended or dropped for it.
pub(crate) fn is_reason(code: &str) -> bool {
    let refused = DisconnectReason::codes().chain(front::Refused::codes());
    let mut all = refused.chain(front_reasons::ENDS);
    all.any(|known| known == code) || drops::verdict(code).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its tables, which tests hold against what is counted.
    const OPERATION: &str = include_str!("../../../../docs/operation.md");

    #[test]
    fn every_reason_of_the_handbook_is_one_and_a_mistyped_one_is_not() {
        let (_, table) = OPERATION.split_once("| reason | what it means | what to do |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let of_gateway = rows.filter(|row| !row.contains("| client: "));
        let codes: Vec<&str> = of_gateway.filter_map(|row| row.split('`').nth(1)).collect();
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            assert!(is_reason(code), "{code}");
        }
        assert!(is_reason("connection_broke") && is_reason("wrong_tls_auth_key"));
        assert!(!is_reason("kickd"));
    }
}
