//! The Erlang side of a database node.
//!
//! A node of the message service is a stock Erlang with our modules, in `erlang/src`: an ordered map of byte
//! strings in Mnesia, on the node's own disk. It knows nothing of messages and of other nodes. Here are the
//! modules' sources, how they are compiled, and what to tell the program so that it serves them.

use std::{
    ffi::OsString,
    fs, io,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The modules, by name, in the order in which one uses the next.
pub const MODULES: &[(&str, &str)] = &[
    ("chatcluster_node", include_str!("../erlang/src/chatcluster_node.erl")),
    ("chatcluster_writer", include_str!("../erlang/src/chatcluster_writer.erl")),
    ("chatcluster_reader", include_str!("../erlang/src/chatcluster_reader.erl")),
    ("chatcluster_digest", include_str!("../erlang/src/chatcluster_digest.erl")),
    ("chatcluster_tables", include_str!("../erlang/src/chatcluster_tables.erl")),
    ("chatcluster_logs", include_str!("../erlang/src/chatcluster_logs.erl")),
    ("chatcluster_peer", include_str!("../erlang/src/chatcluster_peer.erl")),
];

/// Tells the program to compile all that is here; what it says goes to the output.
const COMPILE: &str = r#"
    Options = [report, warnings_as_errors, deterministic],
    Compiled = [compile:file(File, Options) || File <- filelib:wildcard("*.erl")],
    halt(case lists:member(error, Compiled) of true -> 1; false -> 0 end)."#;

/// Compiles the modules into a folder, which is made; `erl` is Erlang's program. What it makes runs on this
/// version of OTP and on newer ones.
///
/// # Errors
/// When the folder cannot be written, or with what the compiler says.
pub fn compile(erl: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, source) in MODULES {
        fs::write(folder.join(format!("{name}.erl")), source)?;
    }
    let mut command = Command::new(erl);
    command.args(["-noinput", "-eval", COMPILE]).current_dir(folder).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output()?;
    if status.success() {
        return Ok(());
    }
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(io::Error::other(format!("the modules of the database node do not compile: {said}")))
}

/// What to tell Erlang's program so that it has the modules that are in a folder.
pub fn with_modules(modules: &Path) -> [OsString; 2] {
    ["-pa".into(), modules.into()]
}

/// What to tell it so that it serves the map in the folder `data`.
pub fn serving(data: &Path) -> [OsString; 5] {
    ["-mnesia".into(), "dir".into(), string(data).into(), "-s".into(), "chatcluster_node".into()]
}

/// What to tell it so that its distribution is TLS, where `options` is a file with [`tls_options`].
pub fn over_tls(options: &Path) -> [OsString; 4] {
    ["-proto_dist".into(), "inet_tls".into(), "-ssl_dist_optfile".into(), options.into()]
}

/// The options of a distribution over TLS: the node's own certificate, and whom it lets in. That is who has a
/// certificate of the authority in `ca` with one of these URIs.
pub fn tls_options(certificate: &Path, key: &Path, ca: &Path, from: &[String]) -> String {
    let [certificate, key, ca] = [certificate, key, ca].map(string);
    let from: Vec<_> = from.iter().map(|uri| quoted(uri)).collect();
    let from = from.join(", ");
    format!(
        "%% coding: utf-8\n[{{server, [\n\
           {{certfile, {certificate}}}, {{keyfile, {key}}}, {{cacertfile, {ca}}},\n\
           {{versions, ['tlsv1.3']}}, {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}},\n\
           {{verify_fun, {{fun chatcluster_peer:verify/3, [{from}]}}}}\n\
         ]}}].\n"
    )
}

fn string(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// An Erlang string, which is also how values on the command line are read.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
