#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| chatcluster_fuzz::erlang_message(data));
