//! See `fuzz-targets`.
#![no_main]

fuzz_targets::explore!("datapath_virtio");
