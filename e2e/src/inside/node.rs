//! A node: containerd, kubelet, kube-proxy, kube-router, in namespaces that share this machine's file
//! system. What they would write outside of the cluster's folder is covered first.

use std::{env, fs, os::unix::fs::symlink, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result};

use super::{Service, keep_running, wait_for_network};
use crate::{
    cluster::{Layout, SERVICES, load_image, node_address, node_name, settings},
    kubernetes::part,
    run::run,
    tools,
};

/// Settings of the whole machine that the kubelet wants otherwise. It is shown files in their place.
const MACHINE: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Folders outside of the cluster's that programs insist on. `down` removes them if they are empty.
pub(crate) const COVERED: [&str; 2] = ["/var/lib/cni", "/var/lib/kubelet"];

/// Debian chooses one of its iptables when it installs them; here it is chosen by these links.
const IPTABLES: [&str; 6] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// Runs it. Returns only when it cannot.
pub(crate) fn node(layout: &Layout, node: u8) -> Result<()> {
    wait_for_network()?;
    let name = node_name(node);
    nix::unistd::sethostname(&name).context("name the host")?;
    cover(layout, node)?;
    write_settings(layout, node)?;
    let path = search_path(layout, node)?;
    let debian = layout.debian();
    let libraries = debian.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH));

    let service = |name: &'static str, mut command: Command, flags: &[String]| {
        command.args(flags.iter().map(|flag| format!("--{flag}")));
        command.env("PATH", &path).env("LD_LIBRARY_PATH", &libraries);
        command.env("XTABLES_LIBDIR", libraries.join("xtables"));
        Service { name, command }
    };
    let file = |file: &str| layout.node(node, file);
    let containerd = Command::new(debian.join("usr/bin/containerd"));
    let services = vec![
        service("containerd", containerd, &[format!("config={}", file("containerd.toml"))]),
        service(
            "kubelet",
            part("kubelet")?,
            &[
                format!("kubeconfig={}", layout.text(&format!("{name}.conf"))),
                format!("config={}", file("kubelet.json")),
                format!("hostname-override={name}"),
                format!("node-ip={}", node_address(node)),
            ],
        ),
        service(
            "kube-proxy",
            part("kube-proxy")?,
            &[format!("config={}", file("kube-proxy.json"))],
        ),
        service(
            "kube-router",
            Command::new(tools::kube_router().built()?),
            &[
                format!("kubeconfig={}", layout.text("kube-router.conf")),
                "run-firewall=true".into(),
                "run-router=false".into(),
                "run-service-proxy=false".into(),
                "run-loadbalancer=false".into(),
                format!("hostname-override={name}"),
                format!("service-cluster-ip-range={SERVICES}"),
            ],
        ),
    ];
    // Not by a thread: this process waits for all of its children.
    Command::new(env::current_exe()?).args(["inside", "images"]).spawn()?;
    keep_running(layout, &name, services)
}

/// Imports what every node has from the start, as soon as containerd answers. Pods wait for it.
pub(crate) fn load_images(layout: &Layout) {
    let images = fs::read_dir(layout.file("images")).into_iter().flatten().flatten();
    for image in images {
        while let Err(e) = load_image(layout, Path::new("/"), &image.path()) {
            crate::say(format_args!("an image must wait: {e:#}"));
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn cover(layout: &Layout, node: u8) -> Result<()> {
    // The kubelet's mounts have to be seen by containerd and back.
    run("mount", &["--make-rshared", "/"])?;
    for folder in ["/run", "/var/log"] {
        run("mount", &["-t", "tmpfs", "node", folder])?;
    }
    for folder in COVERED {
        let own = layout.node(node, folder.trim_start_matches('/'));
        fs::create_dir_all(&own)?;
        fs::create_dir_all(folder)?;
        run("mount", &["--bind", &own, folder])?;
    }
    for (setting, value) in MACHINE {
        let file = format!("node{node}/sys/{setting}");
        layout.write(&file, value)?;
        run("mount", &["--bind", &layout.text(&file), &format!("/proc/sys/{setting}")])?;
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("let the node forward packets")
}

fn write_settings(layout: &Layout, node: u8) -> Result<()> {
    let write = |name: &str, text: &str| layout.write(&format!("{}/{name}", node_name(node)), text);
    write("containerd.toml", &settings::containerd(layout, node))?;
    write("kubelet.json", &settings::kubelet(layout, node).to_string())?;
    write("kube-proxy.json", &settings::kube_proxy(layout, node).to_string())?;
    write("cni/networks/10-pods.conflist", &settings::cni(layout, node).to_string())
}

/// The node's programs before this machine's.
fn search_path(layout: &Layout, node: u8) -> Result<String> {
    let links = layout.node(node, "bin");
    fs::create_dir_all(&links)?;
    for name in IPTABLES {
        let link = Path::new(&links).join(name);
        let _ = fs::remove_file(&link);
        symlink(layout.debian().join("usr/sbin/xtables-nft-multi"), link)?;
    }
    let debian = layout.debian();
    let machine = env::var("PATH").unwrap_or_default();
    Ok(format!("{links}:{0}/usr/bin:{0}/usr/sbin:{machine}", debian.display()))
}
