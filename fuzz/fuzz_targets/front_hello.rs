//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("front_hello");
