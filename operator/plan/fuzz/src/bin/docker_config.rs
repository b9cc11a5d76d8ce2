//! Any bytes as a docker config.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::docker_config(bytes));
