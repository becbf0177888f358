//! What a story is called: what was spoken, and how it ended.
//!
//! A code is told in words. An alert is quoted by its own name, since that is what was said: `certificate_expired` is
//! also the alert of who finds a certificate not valid yet.

use crate::place::Side;
use crate::story::{Ending, Protocol, Step};
use crate::verdict::{Dropped, Outcome};

/// The title of a story.
pub(super) fn of(
    protocol: Protocol,
    steps: &[Step],
    ending: &Ending,
    judged: Option<&Outcome>,
) -> String {
    if let Ending::Dropped(dropped) = ending {
        return of_dropped(judged, &dropped.code);
    }
    let has = |names: &[&str]| steps.iter().any(|step| names.contains(&step.entry.as_str()));
    let tls = version(steps);
    // That new keys were asked for is none: somebody has to answer it with TLS.
    let asked = ["client_soft_reset", "server_soft_reset", "reset_repeated", "session_offered"];
    let begun = steps.iter().filter(|step| !asked.contains(&step.entry.as_str()));
    let renewals = begun.map(|step| step.handshake).max().unwrap_or(0);
    let what = match (protocol, renewals) {
        (Protocol::Tls, _) if has(&["server_hello_resumed"]) => {
            format!("A {tls} handshake by a key that both had before")
        }
        (Protocol::Tls, _) if has(&["server_hello_old_resumed"]) => {
            format!("A {tls} session taken up again")
        }
        (Protocol::Tls, _) if steps.iter().all(|step| step.entry == "in_the_clear") => {
            "A connection on which TLS did not begin".to_owned()
        }
        (Protocol::Tls, _) => format!("A {tls} handshake"),
        (Protocol::OpenVpn, _) if tls == "TLS" => "An OpenVPN session".to_owned(),
        (Protocol::OpenVpn, 0) => format!("An OpenVPN session with {tls} inside"),
        (Protocol::OpenVpn, 1) => format!("An OpenVPN session with {tls} inside, renewed once"),
        (Protocol::OpenVpn, times) => {
            format!("An OpenVPN session with {tls} inside, renewed {times} times")
        }
    };
    let began = has(&["in_the_clear"]) && has(&["client_hello"]);
    let after = if began { " after STARTTLS" } else { "" };
    let how = match (judged, ending) {
        (Some(Outcome::Declined(_)), _) => Some("refused by the client"),
        (Some(Outcome::Distrusted(_)), _) => None,
        (Some(_), Ending::Broken(broken)) if broken.by == Some(Side::Server) => Some("refused"),
        (Some(Outcome::Over(_)), Ending::Broken(broken))
            if broken.by.is_none()
                && protocol == Protocol::OpenVpn
                && !has(&["cookie_returned"]) =>
        {
            Some("not begun")
        }
        (Some(_), _) => Some("over"),
        (None, _) => None,
    };
    let outcome = match (how, ending) {
        (_, Ending::Unrenewed(broken)) => format!("; {}", spoken(&broken.code)),
        (_, Ending::Ended(broken)) => format!(", ended: {}", spoken(&broken.code)),
        (_, Ending::Distrusted(broken)) => {
            format!(" that clients refuse: {}", spoken(&broken.code))
        }
        (Some(how), Ending::Broken(broken)) => format!(", {how}: {}", spoken(&broken.code)),
        _ => outcome(protocol, steps, ending),
    };
    format!("{what}{after}{outcome}")
}

/// The version that the server chose, or that its being chosen is not known.
fn version(steps: &[Step]) -> &str {
    let hello = steps
        .iter()
        .find(|step| step.entry.starts_with("server_hello") && step.entry != "server_hello_done");
    let field = hello.and_then(|hello| hello.fields.iter().find(|field| field.name == "version"));
    field.and_then(|field| field.meaning.as_deref()).unwrap_or("TLS")
}

/// What sets it apart from others: how it broke, or what was shown in it.
fn outcome(protocol: Protocol, steps: &[Step], ending: &Ending) -> String {
    let Ending::Broken(broken) = ending else {
        let stapled = steps.iter().flat_map(|step| &step.fields);
        let stapled = stapled.into_iter().any(|field| field.name == "staple_length");
        let mutual = steps.iter().any(|step| step.entry == "client_certificate");
        return match (protocol, stapled, mutual) {
            (Protocol::Tls, true, _) => " with a staple".to_owned(),
            (Protocol::Tls, false, true) => " in which both show a certificate".to_owned(),
            _ => String::new(),
        };
    };
    match broken.code.as_str() {
        "auth_failed" => ", refused by the server".to_owned(),
        "no_common_cipher" => ", refused by the server: no common cipher".to_owned(),
        "reset_unanswered" => ", unanswered".to_owned(),
        "wrong_tls_auth" => ", whose code does not fit the key".to_owned(),
        "other_wrapping" => ", answered in another wrapping".to_owned(),
        "wrong_key_direction" => ", with the wrong direction of the key".to_owned(),
        code if code.starts_with("alert_") => format!(", broken off: {}", spoken(code)),
        _ => ", broken off".to_owned(),
    }
}

/// No session is named: none has anything of it.
fn of_dropped(judged: Option<&Outcome>, code: &str) -> String {
    match judged {
        Some(Outcome::Dropped { what: Dropped::Waiting, .. }) => {
            format!("Connections that had to wait: {}", spoken(code))
        }
        _ => format!("A dropped packet: {}", spoken(code)),
    }
}

/// A code as people say it.
fn spoken(code: &str) -> String {
    if let Some(alert) = code.strip_prefix("alert_") {
        return format!("alert \"{alert}\"");
    }
    match PHRASES.iter().find(|(known, _)| *known == code) {
        Some((_, phrase)) => (*phrase).to_owned(),
        None => code.split('_').map(word).collect::<Vec<_>>().join(" "),
    }
}

fn word(word: &str) -> &str {
    match word {
        "ca" => "CA",
        "crl" => "CRL",
        "ip" => "IP",
        "tcp" => "TCP",
        "tls" => "TLS",
        "tun" => "TUN",
        "postgresql" => "PostgreSQL",
        "starttls" => "STARTTLS",
        "xclient" => "XCLIENT",
        word => word,
    }
}

/// Codes whose words alone would not say what they mean.
const PHRASES: &[(&str, &str)] = &[
    ("begun_in_place", "begun anew in its own place"),
    ("by_rule", "by a rule of the device"),
    ("client_compression", "the client wants compression"),
    ("client_dev_tap", "the client has dev tap"),
    ("client_fragment", "the client has fragment"),
    ("data_of_another", "the data of another"),
    ("finished", "both sides were done"),
    ("float_refused", "from an address where the client may not be"),
    ("hand_over", "not handed over in time"),
    ("hello_too_long", "first message too long"),
    ("other_wrapping", "answered in another wrapping"),
    ("link_local", "IPv6 link-local"),
    ("made_room", "made room for others"),
    ("own_key_message", "own key message too long"),
    ("own_message_not_taken", "own message not taken"),
    ("own_push", "own settings can't be pushed"),
    ("packet_id_zero", "packet id 0"),
    ("peer_exit", "a goodbye"),
    ("peer_halt", "sent away"),
    ("peer_restart", "asked to come back"),
    ("peer_misbehaved", "the peer broke the protocol"),
    ("ping_timeout", "nothing came for too long"),
    ("session_ended", "its session had ended"),
    ("renewal_stopped", "a renewal of its keys stopped halfway"),
    ("renewal_unanswered", "new keys were asked for, and nobody answered"),
    ("replaced", "replaced by a newer session of the same device"),
    ("silent", "closed without a byte"),
    ("slow_handshake", "handshake too slow"),
    ("tcp_gone", "its TCP connection had ended"),
    ("tcp_gone_before_session", "TCP connection gone before its session"),
    ("wrong_tls_auth", "a code that does not fit the tls-auth key"),
    ("wrong_tls_auth_key", "wrong tls-auth key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_in_words_and_an_alert_by_its_own_name() {
        for (code, said) in [
            ("unknown_ca", "unknown CA"),
            ("wrong_tls_auth_key", "wrong tls-auth key"),
            ("tcp_long_frame", "TCP long frame"),
            ("device_disabled", "device disabled"),
            ("alert_certificate_expired", "alert \"certificate_expired\""),
        ] {
            assert_eq!(spoken(code), said);
        }
    }
}
