//! The first process in the namespaces of the control plane or a node: prepares them, then keeps the
//! programs in them running. When it ends, the kernel ends everything else in there.

mod api_forward;
mod control_plane;
mod node;
mod outside;

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, stdin},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{errno::Errno, sys::wait::wait};

pub(crate) use api_forward::{SOCKET as API_SOCKET, forward};
pub(crate) use control_plane::control_plane;
pub(crate) use node::{COVERED, load_images, node};
pub(crate) use outside::outside;

use crate::cluster::Layout;

/// Between the end of a program and its next start.
const PAUSE: Duration = Duration::from_secs(1);

/// A program that is to run, for ever.
struct Service {
    name: &'static str,
    command: Command,
}

/// Waits until the supervisor has laid the network of these namespaces, and says so by a line.
fn wait_for_network() -> Result<()> {
    let read = stdin().lock().read_line(&mut String::new()).context("wait for the network")?;
    if read == 0 {
        bail!("the supervisor is gone");
    }
    Ok(())
}

/// Runs the services, and starts each again that ends. Also buries the orphans of all of them,
/// which the kernel gives to the first process.
fn keep_running(layout: &Layout, folder: &str, services: Vec<Service>) -> Result<()> {
    let mut running = HashMap::new();
    for mut service in services {
        let log = File::create(layout.file(&format!("{folder}/{}.log", service.name)))
            .with_context(|| format!("make the log of {}", service.name))?;
        service.command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        running.insert(start(&mut service)?, service);
    }
    loop {
        match wait() {
            Ok(ended) => {
                let Some(mut service) = ended.pid().and_then(|id| running.remove(&id.as_raw()))
                else {
                    continue;
                };
                crate::say(format_args!("{} ended: {ended:?}; it starts again", service.name));
                thread::sleep(PAUSE);
                running.insert(start(&mut service)?, service);
            }
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("wait for a program"),
        }
    }
}

fn start(service: &mut Service) -> Result<i32> {
    let child = service.command.spawn().with_context(|| format!("start {}", service.name))?;
    child.id().try_into().context("a process id fits 31 bits")
}
