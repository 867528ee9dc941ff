//! The figures of the guide: what they show is decided, or happens, while they are drawn. Written anew with
//! `UPDATE_FIGURES=1 cargo test --test it figures`.

mod key_ladder;
mod svg;
mod timeline;

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The figure is `docs/figures/<name>.svg`. Its Markdown file names it for rustdoc, which shows no file of the repository.
fn check(name: &str, drawn: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures");
    let link = format!("[{name}]: data:image/svg+xml;base64,{}\n\n", STANDARD.encode(drawn));
    for (file, content) in [(format!("{name}.svg"), drawn), (format!("{name}.md"), &link)] {
        let path = folder.join(&file);
        if std::env::var_os("UPDATE_FIGURES").is_some() {
            fs::write(path, content).unwrap();
        } else {
            let found = fs::read_to_string(path).unwrap_or_default();
            assert!(found == content, "docs/figures/{file} is not current: run the test with UPDATE_FIGURES=1");
        }
    }
}
