//! Words that several answers share: counts, yes and no, lists.

/// `1 session`, `2 sessions`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A line below a table of several rows: `3 devices, 1 connected`.
pub(crate) fn total(rows: usize, noun: &str, connected: Option<usize>) -> String {
    match connected {
        _ if rows < 2 => String::new(),
        Some(connected) => format!("{}, {connected} connected\n", count(rows, noun)),
        None => format!("{}\n", count(rows, noun)),
    }
}

/// `yes`, `no`, or a dash where it can't be known.
pub(crate) fn yes_no(known: Option<bool>) -> String {
    match known {
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => "-".into(),
    }
}

/// Joined by comma, or a dash.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".into();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// What follows a change, by the word that programs have for it.
pub(super) fn effect_word(code: &str) -> &str {
    match code {
        "crl" => "CRL",
        "published" => "CRL and OCSP answers",
        "vpn_sessions" => "VPN sessions",
        "tls_connections" => "connections to virtual servers",
        other => other,
    }
}
