//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("gateway_control_line");
