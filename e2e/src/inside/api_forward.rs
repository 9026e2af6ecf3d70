//! The API on this machine's loopback, although the API server is in a network namespace: a socket
//! in the file system is where the two sides meet.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
};

use anyhow::{Context, Result};

/// The socket, in the cluster's folder.
pub(crate) const SOCKET: &str = "api.sock";

/// Hands every connection to the socket on to `address`, from a thread of its own.
pub(super) fn serve(socket: &Path, address: &'static str) -> Result<()> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).context("listen on the socket of the API")?;
    thread::spawn(move || {
        for unix in listener.incoming().flatten() {
            thread::spawn(move || TcpStream::connect(address).and_then(|tcp| join(tcp, unix)));
        }
    });
    Ok(())
}

/// Hands every connection on to the socket, from a thread of its own.
pub(crate) fn forward(listener: TcpListener, socket: &Path) {
    let socket = socket.to_owned();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let socket = socket.clone();
            thread::spawn(move || UnixStream::connect(socket).and_then(|unix| join(tcp, unix)));
        }
    });
}

/// Copies in both directions until each has ended.
fn join(tcp: TcpStream, unix: UnixStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let (mut from_tcp, mut to_tcp) = (tcp.try_clone()?, tcp);
    let (mut from_unix, mut to_unix) = (unix.try_clone()?, unix);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_unix, &mut to_tcp);
        let _ = to_tcp.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut from_tcp, &mut to_unix);
    let _ = to_unix.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}
