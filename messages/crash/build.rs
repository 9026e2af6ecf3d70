//! Compiles the library that nodes are started with.

use std::{env, error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    const SOURCE: &str = "src/disk/journal.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    let library = Path::new(&env::var("OUT_DIR")?).join("journal.so");
    let compiler = cc::Build::new().opt_level(2).pic(true).warnings(true).try_get_compiler()?;
    let mut command = compiler.to_command();
    command.args(["-Werror", "-shared", SOURCE, "-ldl", "-lpthread", "-o"]).arg(&library);
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
