//! The targets under overload, which need a machine that has nothing else to do.

use std::process::Command;

#[test]
#[ignore = "takes half a minute of an idle machine, and builds the example with optimizations"]
fn targets_are_reached_under_overload() {
    let mut example = Command::new(env!("CARGO"));
    example.args(["run", "--release", "--locked", "--package", "examples", "--example", "overload"]);
    let ended = example.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(ended.success(), "{ended}");
}
