//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("web_host");
