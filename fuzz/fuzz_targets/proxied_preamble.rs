//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("proxied_preamble");
