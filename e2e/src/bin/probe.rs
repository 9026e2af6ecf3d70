//! What runs in the pods of the scenarios: one static program, so that its image holds nothing else.
//! It is compiled from this file alone and uses only the standard library.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    process::ExitCode,
    thread,
    time::Duration,
};

/// How long a connection may take: far more than inside one machine, where what is not dropped
/// answers at once.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        // What holds a pod's namespaces.
        ["pause"] => pause(),
        ["serve", port] => serve(port),
        ["get", address] => get(address),
        ["connect", address] => connect(address).map(drop),
        ["write", file, text] => fs::write(file, text),
        ["read", file] => fs::read(file).and_then(|bytes| io::stdout().write_all(&bytes)),
        _ => Err(io::Error::other(
            "pause | serve PORT | get HOST:PORT | connect HOST:PORT | write FILE TEXT | read FILE",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}

fn pause() -> io::Result<()> {
    loop {
        thread::park();
    }
}

/// Answers every HTTP request with this machine's name.
fn serve(port: &str) -> io::Result<()> {
    let port = port.parse().map_err(io::Error::other)?;
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let (name, listener) = (name.trim(), TcpListener::bind(("0.0.0.0", port))?);
    for mut stream in listener.incoming().flatten() {
        let _ = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.read(&mut [0; 4096]));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        let _ = stream.write_all(answer.as_bytes());
    }
    Ok(())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let resolved = address.to_socket_addrs()?.next();
    let resolved = resolved.ok_or_else(|| io::Error::other("the name has no address"))?;
    TcpStream::connect_timeout(&resolved, PATIENCE)
}

/// Prints what a server answers.
fn get(address: &str) -> io::Result<()> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: the server answers the first one that it reads.
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    write!(io::stdout(), "{body}")
}
