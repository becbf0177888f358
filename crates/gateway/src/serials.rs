//! Serial numbers, between the type that verifiers use and the one that the store keys rows by.
//!
//! Both hold 1 to 20 bytes without leading zeros, so neither way can fail.

/// The store's form.
pub(crate) fn to_store(serial: &pki::Serial) -> store::Serial {
    store::Serial::from_bytes(serial.as_bytes()).unwrap_or_else(|_| unreachable!("same bounds"))
}

/// The verifiers' form.
pub(crate) fn to_pki(serial: &store::Serial) -> pki::Serial {
    pki::Serial::from_bytes(serial.as_bytes()).unwrap_or_else(|_| unreachable!("same bounds"))
}
