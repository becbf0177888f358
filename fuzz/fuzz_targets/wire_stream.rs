//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("wire_stream");
