//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("explain_inside");
