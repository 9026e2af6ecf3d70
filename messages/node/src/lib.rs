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
    ("chatcluster_tables", include_str!("../erlang/src/chatcluster_tables.erl")),
    ("chatcluster_logs", include_str!("../erlang/src/chatcluster_logs.erl")),
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

/// What to tell Erlang's program so that it serves the map in the folder `data` by the modules in `modules`.
pub fn arguments(modules: &Path, data: &Path) -> Vec<OsString> {
    // An Erlang string, since that is how values on the command line are read.
    let quoted = data.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    let words = ["-mnesia", "dir", &format!("\"{quoted}\""), "-s", "chatcluster_node"];
    let path = [OsString::from("-pa"), modules.as_os_str().to_owned()];
    path.into_iter().chain(words.map(OsString::from)).collect()
}
