//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("signer_ask");
