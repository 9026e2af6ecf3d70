//! Real servers for tests: Redis processes, certificates, free ports, child processes that never outlive their test.

pub mod certificates;
