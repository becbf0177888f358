//! What a running client tells, for programs: one JSON object a line.

use client::{Connected, EndedBy, Progress, Statistics, Warning};
use clock::Timestamp;
use serde_json::{Value, json};

/// One event, at that moment.
pub(crate) fn event(progress: &Progress, at: Timestamp) -> Value {
    let (event, mut fields) = match progress {
        Progress::Connecting { remote, address } => {
            ("connecting", json!({ "remote": remote.to_string(), "address": address }))
        }
        Progress::Connected(up) => ("connected", connected(up)),
        Progress::Renegotiated => ("keys_renewed", json!({})),
        Progress::Statistics(figures) => {
            ("statistics", figures.as_deref().map_or(json!({}), statistics))
        }
        Progress::Reconnecting { why, pause } => {
            ("reconnecting", json!({ "why": why, "pause_ms": pause.as_millis() as u64 }))
        }
        Progress::Moved { interface } => ("moved", json!({ "interface": interface })),
        Progress::Warning(what) => {
            ("warning", json!({ "warning": code(what), "text": what.to_string() }))
        }
        Progress::Ended(by) => ("ended", json!({ "by": ended_by(*by) })),
    };
    fields["at"] = json!(at);
    fields["event"] = json!(event);
    fields
}

fn connected(up: &Connected) -> Value {
    json!({
        "server": up.server,
        "interface": up.interface,
        "addresses": up.addresses,
        "cipher": up.cipher.map(|cipher| cipher.to_string()),
        "unchanged": up.unchanged,
    })
}

fn statistics(of: &Statistics) -> Value {
    let total = of.figures.total;
    json!({
        "server": of.server,
        "since": of.since,
        "renewals": of.renewals,
        "packets_in": total.rx_packets,
        "bytes_in": total.rx_bytes,
        "packets_out": total.tx_packets,
        "bytes_out": total.tx_bytes,
        "drops": of.figures.losses(),
    })
}

fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Request => "request",
        EndedBy::GivingUp => "giving_up",
    }
}

fn code(warning: &Warning) -> &'static str {
    match warning {
        Warning::PassedOver { .. } => "passed_over",
        Warning::CipherPassedOver { .. } => "cipher_passed_over",
        Warning::Exposed { .. } => "exposed",
        Warning::ExpiresSoon { .. } => "expires_soon",
        Warning::Expired { .. } => "expired",
        Warning::NotYetValid { .. } => "not_yet_valid",
        Warning::NoTlsAuth => "no_tls_auth",
        Warning::OptionIgnored { .. } => "option_ignored",
        Warning::NotSet(_) => "not_set",
        Warning::NamesSetAgain => "names_set_again",
        Warning::NamesTaken => "names_taken",
        Warning::OwnNetwork(_) => "own_network",
        Warning::NoNetwork => "no_network",
        Warning::Mended(_) => "mended",
        Warning::NotUndone(_) => "not_undone",
        Warning::NotFound { .. } => "not_found",
        Warning::NobodyToAsk { .. } => "nobody_to_ask",
        Warning::StandingNotKnown { .. } => "standing_not_known",
        Warning::StandingNotLookedAt => "standing_not_looked_at",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_event_has_its_time_its_name_and_typed_fields() {
        let at = Timestamp::from_unix_secs(1_795_000_000);
        let up = Connected {
            server: ([192, 0, 2, 1], 1194).into(),
            interface: "tun0".into(),
            addresses: vec![[10, 71, 0, 2].into()],
            cipher: None,
            unchanged: false,
        };
        let line = event(&Progress::Connected(up), at);
        assert_eq!(line["at"], "2026-11-18T11:06:40.000Z");
        assert_eq!((&line["event"], &line["unchanged"]), (&json!("connected"), &json!(false)));
        assert_eq!(line["addresses"], json!(["10.71.0.2"]));
        let pause = Duration::from_millis(1_500);
        let line = event(&Progress::Reconnecting { why: "no answer".into(), pause }, at);
        assert_eq!(line["pause_ms"], 1_500);
        let line = event(&Progress::Warning(Warning::NoTlsAuth), at);
        assert_eq!((&line["event"], &line["warning"]), (&json!("warning"), &json!("no_tls_auth")));
    }
}
