//! A short run of the program itself: few operations, and few kills.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use serde_json::{Value, json};

/// What a run of a mode reports.
fn play(mode: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash"));
    command.args(["--json", "--operations", "60", "--kills", "15", "--mode", mode]);
    let output = command.output().unwrap();
    let (lines, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{lines}{errors}");
    serde_json::from_str(&lines).unwrap_or_else(|error| panic!("{error}: {lines}"))
}

/// All but what is in doubt, which depends on when the kills come.
fn without_doubt(mut report: Value) -> Value {
    let in_doubt = report.as_object_mut().unwrap().remove("in_doubt").unwrap();
    assert!(in_doubt.as_u64().unwrap() <= 10, "{in_doubt} of 60 operations are in doubt");
    report
}

#[test]
fn journal_applies_each_operation_once() {
    let expected = json!({ "mode": "journal-sqlite", "operations": 60, "kills": 15, "applied_twice": 0, "lost": 0 });
    assert_eq!(without_doubt(play("journal-sqlite")), expected);
}

#[test]
fn operations_alone_apply_each_write_once() {
    let expected = json!({ "mode": "operations-only", "operations": 60, "kills": 15, "applied_twice": 0, "lost": 0 });
    assert_eq!(without_doubt(play("operations-only")), expected);
}
