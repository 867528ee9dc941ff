//! Every public type shows by an example what it is for, and the example asserts something.

use std::fs;

use crate::structure::files;

/// An example for these cannot run here; it has to assert all the same.
const NEEDS_A_SERVER: [&str; 1] = ["PostgresJournal"];

/// Without an example that runs and asserts: the public types of a source, by name, and how many there are in all.
fn without_example(source: &str) -> (Vec<&str>, usize) {
    let lines: Vec<_> = source.lines().collect();
    let types = lines.iter().enumerate().filter_map(|(number, line)| Some((number, public_type(line)?)));
    // Only the file that declares it can name it: nobody else implements such a trait.
    let types: Vec<_> = types.filter(|(_, name)| *name != "Sealed").collect();
    let opening = |name: &str| if NEEDS_A_SERVER.contains(&name) { "```no_run" } else { "```" };
    let missing = types.iter().filter(|(number, name)| !has_example(&lines[..*number], opening(name)));
    (missing.map(|(_, name)| *name).collect(), types.len())
}

fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let name = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    name.split(|char: char| !char.is_alphanumeric() && char != '_').next()
}

/// Whether the doc comment at the end of these lines, with attributes after it, has such an example.
fn has_example(before: &[&str], opening: &str) -> bool {
    let is_doc = |line: &&&str| line.trim_start().starts_with("///");
    let ends = |line: &&&str| line.is_empty() || line.trim_end().ends_with([';', '}']);
    let attributes = before.iter().rev().take_while(|line| !is_doc(line) && !ends(line)).count();
    let docs = before.iter().rev().skip(attributes).take_while(is_doc);
    let docs: Vec<_> = docs.map(|line| line.trim_start().trim_start_matches("///").trim()).collect();
    let mut blocks = docs.rsplit(|line| line.starts_with("```"));
    // Every second part is within a block; what opens it is the line before.
    let mut opened: Vec<_> = docs.iter().rev().filter(|line| line.starts_with("```")).step_by(2).collect();
    opened.reverse();
    let _text = blocks.next();
    let mut within = blocks.step_by(2);
    std::iter::from_fn(|| Some((opened.pop()?, within.next()?)))
        .any(|(opened, code)| *opened == opening && code.iter().any(|line| line.contains("assert")))
}

#[test]
fn public_types_have_an_example_that_asserts() {
    let (mut missing, mut all) = (Vec::new(), 0);
    for path in files(&["src", "crates"]) {
        if path.iter().any(|part| ["tests", "benches", "examples"].iter().any(|other| part == *other)) {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let (without, count) = without_example(&source);
        all += count;
        missing.extend(without.into_iter().map(|name| format!("{}: {name}", path.display())));
    }
    assert!(all > 100, "only {all} types were found");
    assert!(missing.is_empty(), "without an example that runs and asserts:\n{}", missing.join("\n"));
}

#[test]
fn missing_examples_are_found() {
    let shown = "/// One.\n///\n/// ```\n/// assert!(true);\n/// ```\n///\n/// More.\n";
    for (docs, is_missing) in [
        ("/// One.\n", true),
        ("", true),
        ("/// One.\n///\n/// ```\n/// let one = One;\n/// ```\n", true),
        ("/// One.\n///\n/// ```no_run\n/// assert!(true);\n/// ```\n", true),
        ("/// One: assert it.\n///\n/// ```\n/// let one = One;\n/// ```\n/// assert\n", true),
        ("/// ```\n/// assert!(true);\n/// ```\npub fn other() {}\n\n", true),
        (shown, false),
        ("/// ```text\n/// one\n/// ```\n///\n/// ```\n/// assert!(true);\n/// ```\n", false),
    ] {
        let source = format!("{docs}#[derive(\n    Clone,\n)]\n#[non_exhaustive]\npub struct One<T>(T);\n");
        let expected = if is_missing { vec!["One"] } else { vec![] };
        assert_eq!(without_example(&source), (expected, 1), "{source}");
    }
    assert_eq!(without_example("pub(crate) struct Own;\nstruct Private;\npub fn of() {}\n"), (vec![], 0));
}
