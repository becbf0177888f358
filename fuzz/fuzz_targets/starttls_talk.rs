//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("starttls_talk");
