use std::mem::size_of;

use chatcluster_manager::MemoryManager;
use tokio::net::TcpStream;

use super::*;

/// The size of what a function would return.
fn size_of_future<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
    size_of::<F>()
}

/// Every idle connection holds its task, so its size is what a gateway of a hundred thousand users
/// pays first. A change that makes it grow wants a reason.
#[test]
fn the_task_of_a_connection_is_small() {
    let plain = size_of_future(serve::<TcpStream, MemoryManager>);
    println!("task of a plain connection: {plain} bytes");
    assert!(plain <= 800, "{plain}");
}
