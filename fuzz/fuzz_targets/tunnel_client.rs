//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("tunnel_client");
