//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("pki_ocsp_exchange");
