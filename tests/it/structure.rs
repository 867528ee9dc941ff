//! The source tree stays readable: no import cycle between files, short files, short functions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Rust files below these folders.
pub(crate) fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending: Vec<_> = folders.iter().map(|folder| Path::new(ROOT).join(folder)).collect();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The longest of each, over all that the repository compiles.
#[test]
fn files_and_functions_stay_short() {
    let mut long = Vec::new();
    for path in files(&["src", "crates", "engines", "examples", "fuzz", "tests", "benches"]) {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        if lines.len() > 400 {
            long.push(format!("{} has {} lines", path.display(), lines.len()));
        }
        for (start, length) in functions(&lines) {
            if length > 40 {
                long.push(format!("{}:{}: a function of {length} lines", path.display(), start + 1));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Where each function begins, and how many lines its body has; by the indentation that rustfmt gives.
fn functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let indent = |line: &str| line.len() - line.trim_start().len();
    lines.iter().enumerate().filter(|(_, line)| is_function(line)).filter_map(move |(start, line)| {
        let opens = start + lines[start..].iter().position(|line| line.ends_with(['{', '}', ';']))?;
        // A trait can declare one that has no body.
        if lines[opens].ends_with(';') {
            return None;
        }
        let ends =
            opens + lines[opens..].iter().position(|end| end.starts_with(&format!("{}}}", &line[..indent(line)])))?;
        Some((start, (ends - opens).saturating_sub(1)))
    })
}

fn is_function(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//") && line.split('(').next().is_some_and(|head| head.split(' ').any(|word| word == "fn"))
}

#[test]
fn imports_have_no_cycle() {
    let adapters = ["redis", "sqlite", "postgres"].map(|store| format!("crates/reqwest-safe-retry-{store}/src"));
    for root in ["src", "crates/metronome-simulator/src"].into_iter().chain(adapters.iter().map(String::as_str)) {
        let imports = imports(root);
        let mut path = Vec::new();
        let mut done = BTreeSet::new();
        for file in imports.keys() {
            visit(file, &imports, &mut path, &mut done);
        }
    }
}

fn visit(
    file: &str,
    imports: &BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) {
    if done.contains(file) {
        return;
    }
    assert!(!path.iter().any(|seen| seen == file), "a cycle: {} -> {file}", path.join(" -> "));
    path.push(file.to_owned());
    for next in &imports[file] {
        visit(next, imports, path, done);
    }
    path.pop();
    done.insert(file.to_owned());
}

/// Each module with those that it imports, named by their paths; what a file's tests import does not count.
fn imports(root: &str) -> BTreeMap<String, BTreeSet<String>> {
    let files = files(&[root]);
    let modules: BTreeMap<String, String> = files
        .iter()
        .map(|path| (module(path.strip_prefix(Path::new(ROOT).join(root)).unwrap()), fs::read_to_string(path).unwrap()))
        .collect();
    let names: BTreeSet<_> = modules.keys().cloned().collect();
    modules
        .iter()
        .map(|(name, text)| {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let used = uses(code).into_iter().filter_map(|path| resolve(&path, name, &names));
            (name.clone(), used.filter(|used| used != name).collect())
        })
        .collect()
}

/// `call/mod.rs` and `call.rs` are the module `call`, `lib.rs` is the empty one.
fn module(path: &Path) -> String {
    let path = path.with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap()).filter(|part| !["mod", "lib"].contains(part));
    parts.collect::<Vec<_>>().join("::")
}

/// The paths of all `use` declarations, one for each name.
fn uses(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for declaration in code.split("\nuse ").skip(1).chain(code.split("\n    use ").skip(1)) {
        let tree: String = declaration.split(';').next().unwrap().split_whitespace().collect();
        flatten("", &tree, &mut paths);
    }
    paths
}

fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let prefix = format!("{prefix}{head}");
    let (mut depth, mut start) = (0, 0);
    let inside = &rest[..rest.len() - 1];
    for (index, char) in inside.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                flatten(&prefix, &inside[start..index], paths);
                start = index + 1;
            }
            _ => {}
        }
    }
    if start < inside.len() {
        flatten(&prefix, &inside[start..], paths);
    }
}

/// The module that a path leads into: the longest one that begins it. The root only declares the others.
fn resolve(path: &str, from: &str, modules: &BTreeSet<String>) -> Option<String> {
    let absolute = match path.strip_prefix("crate::") {
        Some(path) => path.to_owned(),
        None => {
            let ups = path.matches("super::").count();
            let mut base: Vec<_> = from.split("::").collect();
            base.truncate(base.len().saturating_sub(ups));
            if ups == 0 && !path.starts_with("self::") {
                return None;
            }
            let rest = path.trim_start_matches("super::").trim_start_matches("self::");
            base.iter().copied().filter(|part| !part.is_empty()).chain([rest]).collect::<Vec<_>>().join("::")
        }
    };
    let parts: Vec<_> = absolute.split("::").collect();
    (1..=parts.len()).rev().map(|length| parts[..length].join("::")).find(|module| modules.contains(module))
}
