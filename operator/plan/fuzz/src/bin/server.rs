//! Any bytes as a server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::server(bytes));
