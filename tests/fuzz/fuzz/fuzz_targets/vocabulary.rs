#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fak_fuzz::vocabulary(data));
