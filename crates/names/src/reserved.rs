//! The name that belongs to the gateway alone.

/// The common name and first alternative name of the gateway's certificates. Every profile asks for
/// it with `verify-x509-name`, and no other certificate may carry it: that is how a subscriber
/// tells the gateway from any other server of the same CA.
pub const RESERVED_GATEWAY_NAME: &str = "gateway.handfast.internal";

/// Whether a name is kept for the gateway: the reserved zone and everything below it, however its
/// letters are cased and with or without the dot of the root.
pub fn is_reserved_name(name: &str) -> bool {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    name == RESERVED_ZONE
        || name.strip_suffix(RESERVED_ZONE).is_some_and(|rest| rest.ends_with('.'))
}

const RESERVED_ZONE: &str = "handfast.internal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_name_is_reserved_in_every_spelling() {
        for name in [
            RESERVED_GATEWAY_NAME,
            "GATEWAY.Handfast.Internal",
            "gateway.handfast.internal.",
            " gateway.handfast.internal ",
            "handfast.internal",
            "*.handfast.internal",
            "x.gateway.handfast.internal",
        ] {
            assert!(is_reserved_name(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_free() {
        for name in ["vpn.example.com", "internal", "nothandfast.internal", "handfast.example"] {
            assert!(!is_reserved_name(name), "{name}");
        }
    }
}
