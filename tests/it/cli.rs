//! The program `safe-retry`: what it prints, and its exit status.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use reqwest_safe_retry::ServicesConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/services.toml");
const MISTAKES: &str = "
[services.billing]
base_ulr = 'https://billing.internal'

[services.orders]
base_url = 'https://orders.internal'
retry_policy = { max_attempts = 0, transient = { base = '5s', cap = '2s' } }
";

struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safe-retry"));
    command.args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn run(arguments: &[&str]) -> Ran {
    ran(command(arguments).output().unwrap())
}

/// What it prints, which must succeed.
fn printed(arguments: &[&str]) -> String {
    let ran = run(arguments);
    assert_eq!((ran.status, &*ran.stderr), (Some(0), ""), "{arguments:?}: {}", ran.stdout);
    ran.stdout
}

/// The error of a run that has nothing to print.
fn refused(arguments: &[&str]) -> String {
    let ran = run(arguments);
    assert_eq!((ran.status, &*ran.stdout), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
    ran.stderr
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn written(name: &str, text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn file_without_mistakes_is_checked() {
    assert_eq!(printed(&["check", EXAMPLE]), format!("{EXAMPLE}: 7 services, no mistakes\n"));
    let json = parsed(&printed(&["--json", "check", EXAMPLE]));
    assert_eq!((&json["services"][0], &json["mistakes"]), (&json!("billing"), &json!([])));
}

#[test]
fn all_mistakes_of_a_file_are_listed() {
    let (_folder, file) = written("services.toml", MISTAKES);
    let listed = run(&["check", &file]);
    let expected = [
        "services.billing.base_ulr: unknown field `base_ulr`; did you mean `base_url`?",
        "services.orders.retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        "services.orders.retry_policy.transient.base: 5s is above the cap 2s",
    ];
    let lines: String = expected.iter().map(|line| format!("{file}: {line}\n")).collect();
    assert_eq!((listed.status, listed.stdout, &*listed.stderr), (Some(1), lines.clone(), ""));

    let json = run(&["check", &file, "--json"]);
    let (mistake, status) = (parsed(&json.stdout)["mistakes"][1].clone(), json.status);
    assert_eq!((&mistake["path"], status), (&json!("services.orders.retry_policy.max_attempts"), Some(1)));

    let explained = run(&["explain", &file, "POST", "/x", "500"]);
    assert_eq!((explained.status, explained.stdout), (Some(1), lines), "nothing is explained from such a file");
}

#[test]
fn formats_are_told_apart_by_extension() {
    let in_toml = std::fs::read_to_string(EXAMPLE).unwrap();
    let config: ServicesConfig = toml::from_str(&in_toml).unwrap();
    let (in_json, in_yaml) = (serde_json::to_string(&config).unwrap(), serde_yaml_ng::to_string(&config).unwrap());
    for (name, text) in [("a.toml", &in_toml), ("a.json", &in_json), ("a.yaml", &in_yaml), ("a.yml", &in_yaml)] {
        let (_folder, file) = written(name, text);
        assert_eq!(printed(&["check", &file]), format!("{file}: 7 services, no mistakes\n"));
    }
    let (_folder, file) = written("services.ini", "");
    assert!(refused(&["check", &file]).contains("its format is not known: expected .toml, .json, .yaml or .yml"));
}

#[test]
fn broken_format_is_a_mistake_that_quotes_no_value() {
    for (name, text, place) in [
        ("a.toml", "[services.a]\ntoken = c4n4ry", "at line 2 column 9"),
        ("a.json", "{\n\"token\": c4n4ry}", "at line 2 column 10"),
    ] {
        let (_folder, file) = written(name, text);
        let Ran { status, stdout, stderr } = run(&["check", &file]);
        assert_eq!((status, &*stderr), (Some(1), ""), "{stdout}");
        assert!(stdout.contains(place) && !stdout.contains("c4n4ry") && stdout.lines().count() == 1, "{stdout}");
    }
}

#[test]
fn decision_of_a_shipped_service_is_explained() {
    let question = ["explain", "metronome", "POST", "/v1/contracts/addManualBalanceLedgerEntry", "500"];
    let first = printed(&question);
    let head = "metronome https://api.metronome.com, route /v1/contracts/addManualBalanceLedgerEntry\n";
    assert!(first.starts_with(head) && first.contains("sent again with the same key after up to 500ms"), "{first}");

    let second = [&question[..], &["--attempt", "2", "--json"]].concat();
    let json = parsed(&printed(&second));
    assert_eq!(json["decision"], json!({ "kind": "fail", "stop_reason": "unverified" }));
    assert_eq!((&json["attempt"], &json["sources"][0]["read"]), (&json!(2), &json!("2026-07-13")));

    let in_lower_case = printed(&["explain", "metronome", "post", question[3], "504", "--json"]);
    let retry = json!({ "kind": "retry", "key": "preserve", "longest_wait_ms": 500 });
    assert_eq!(parsed(&in_lower_case)["decision"], retry);
    let returned = parsed(&printed(&["explain", "metronome", "POST", "/v2/unknown", "200", "--json"]));
    assert_eq!((&returned["decision"], &returned["route"]), (&json!({ "kind": "return" }), &Value::Null));
}

#[test]
fn path_of_several_services_needs_a_name() {
    let file = "
        [services.live]
        from = 'metronome'
        [services.sandbox]
        from = 'metronome'
        base_url = 'https://sandbox.internal'
        [services.search]
        base_url = 'https://search.internal'
        routes = [{ method = 'POST', path = '/find/{index}', effect = 'read' }]";
    let (_folder, file) = written("services.toml", file);
    let explain = |path: &str, more: &[&str]| {
        let question = [&["explain", &*file, "POST", path, "503"], more].concat();
        question.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let error = |path, more: &[&str]| refused(&explain(path, more).iter().map(String::as_str).collect::<Vec<_>>());
    let text = |path, more: &[&str]| printed(&explain(path, more).iter().map(String::as_str).collect::<Vec<_>>());

    assert!(text("/find/orders", &[]).starts_with("search https://search.internal, route /find/{index}\n"));
    let several = error("/v1/contracts/create", &[]);
    assert!(
        several.contains("is a route of several services") && several.contains("one of live, sandbox\n"),
        "{several}"
    );
    let none = error("/nothing", &[]);
    assert!(none.contains("is a route of no service") && none.contains("one of live, sandbox, search\n"), "{none}");
    assert!(
        text("/v1/contracts/create", &["--service", "sandbox"]).starts_with("sandbox https://sandbox.internal, route")
    );
    assert!(error("/x", &["--service", "sandbx"]).contains("has no service \"sandbx\", but live, sandbox, search\n"));
}

#[test]
fn what_is_not_there_is_refused_with_its_name() {
    let missing = refused(&["check", "nowhere/services.toml"]);
    assert!(missing.starts_with("error: nowhere/services.toml: cannot be read: No such file"), "{missing}");
    let unknown = refused(&["explain", "metronom", "POST", "/x", "500"]);
    let expected = "\"metronom\" is neither a file nor a shipped service";
    assert!(unknown.contains(expected) && unknown.contains("did you mean `metronome`?"), "{unknown}");
    let without_address = refused(&["explain", "idempotency_key_draft", "POST", "/x", "500"]);
    let expected =
        "idempotency_key_draft: base_url: is missing: give it in a file, with from = \"idempotency_key_draft\"";
    assert!(without_address.contains(expected), "{without_address}");
    for (arguments, message) in [
        (&["explain", "metronome", "POST", "https://api.metronome.com/x", "500"][..], "is not a path"),
        (
            &["explain", "metronome", "POST", "/x", "5000"],
            "\"5000\" is not a status: expected a number from 100 to 999",
        ),
        (&["explain", "metronome", "P ST", "/x", "500"], "is not a method"),
        (&["explain", "metronome", "POST", "/x", "500", "--attempt", "0"], "the first attempt is 1"),
        (&["explain", "metronome", "POST", "/x"], "takes a file or a service, a method, a path and a status"),
        (&["check"], "`check` takes a file"),
        (&["check", "a.toml", "--attempt", "2"], "are options of `explain`"),
        (&["chekc", "a.toml"], "unknown command \"chekc\""),
        (&["check", "a.toml", "--jsno"], "invalid option '--jsno'"),
        (&[], "no command"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(message) && error.contains("try --help"), "{arguments:?}: {error}");
    }
}

#[test]
fn schema_is_that_of_the_library() {
    assert_eq!(parsed(&printed(&["schema"])), ServicesConfig::json_schema());
    assert_eq!(printed(&["schema", "--json"]), printed(&["schema"]));
}

#[test]
fn help_documents_the_exit_status() {
    let help = printed(&["--help"]);
    assert!(help.contains("Exit status:\n  0   done") && help.contains("  1   the file has mistakes"), "{help}");
    assert_eq!(printed(&["--version"]), format!("safe-retry {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn colours_are_left_out_of_a_pipe() {
    let coloured = |variables: &[(&str, &str)]| {
        let output = command(&["check", EXAMPLE]).envs(variables.iter().copied()).output().unwrap();
        ran(output).stdout.contains("\x1b[32m: 7 services, no mistakes\x1b[0m")
    };
    assert!(!coloured(&[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}
