//! The modules' own tests, by EUnit, in a real Erlang.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use chatcluster_config::Program;

const RUN: &str = r#"
    Options = [report, warnings_as_errors],
    Files = filelib:wildcard("*_tests.erl"),
    Compiled = [compile:file(File, Options) || File <- Files],
    Modules = [Module || {ok, Module} <- Compiled],
    Passed = length(Modules) =:= length(Files) andalso eunit:test(Modules, [verbose]) =:= ok,
    halt(case Passed of true -> 0; false -> 1 end)."#;

#[test]
fn the_modules_pass_their_own_tests() {
    let erl = Program::Erlang.find(|name| env::var_os(name), Path::is_file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    chatcluster_node::compile(&erl, folder).unwrap();
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("erlang/test");
    let mut copied = 0;
    for file in fs::read_dir(tests).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        copied += 1;
    }
    assert!(copied >= 3, "tests are missing");
    let mut run = Command::new(erl);
    run.args(["-noinput", "-eval", RUN]).current_dir(folder).env("TMPDIR", folder);
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", said.lines().rev().take(3).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_does_not_compile_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.erl"), "-module(broken).\nnot erlang\n").unwrap();
    let erl = Program::Erlang.find(|name| env::var_os(name), Path::is_file).unwrap();
    let error = chatcluster_node::compile(&erl, folder.path()).unwrap_err();
    assert!(error.to_string().contains("broken.erl:2"), "{error}");
}
