//! The cases and profiles, as the files hold them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::support::profile::{self, Profiles};

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) profile: String,
    #[serde(rename = "source")]
    _source: String,
    pub(super) request: CaseRequest,
    #[serde(default)]
    pub(super) config: profile::Config,
    pub(super) script: Vec<Step>,
    pub(super) expect: Expect,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseRequest {
    pub(super) method: String,
    #[serde(default = "default_path")]
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
    #[serde(default)]
    pub(super) body: Option<Value>,
}

fn default_path() -> String {
    "/v1/resource".into()
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// One scripted response or fault.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) fault: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    pub(super) body: Value,
    #[serde(default)]
    pub(super) unreached: bool,
    /// A body that is too large for the file: `'['*100000`.
    #[serde(default)]
    pub(super) generator: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) attempts: usize,
    pub(super) outcome: String,
    pub(super) kind: Option<String>,
    pub(super) stop: Option<String>,
    pub(super) applied: Option<String>,
    pub(super) key: Option<String>,
    pub(super) rotated_at_attempt: Option<usize>,
    pub(super) delay_ms: Option<[u64; 2]>,
    pub(super) verify_calls: Option<usize>,
    pub(super) wire_key: Option<String>,
    #[serde(default)]
    pub(super) typed: BTreeMap<String, Value>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

impl Case {
    pub(super) fn faults(&self) -> impl Iterator<Item = &str> {
        self.script.iter().filter_map(|step| step.fault.as_deref())
    }

    /// Whether the layer sees only with the feature `http2` that the request was not processed.
    pub(super) fn needs_http2_feature(&self) -> bool {
        self.faults().any(|fault| matches!(fault, "h2_refused_stream" | "h2_goaway_unprocessed"))
    }
}

impl Step {
    pub(super) fn body_text(&self) -> String {
        if let Some(generator) = &self.generator {
            let (text, times) = generator.split_once('*').expect("a generator of the form 'x'*n");
            return text.trim_matches('\'').repeat(times.parse().expect("a number of repetitions"));
        }
        match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        }
    }
}

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

pub(super) type Cases = Vec<Result<Case, String>>;

/// The cases in the folder of `CONFORMANCE_CASES`, or of this repository.
pub(super) fn load() -> (Cases, Profiles) {
    load_from(std::env::var_os("CONFORMANCE_CASES").map_or_else(|| PathBuf::from(SHIPPED), PathBuf::from))
}

pub(super) fn load_shipped() -> (Cases, Profiles) {
    load_from(PathBuf::from(SHIPPED))
}

/// Each case is parsed separately, so that an unreadable one fails alone.
fn load_from(folder: PathBuf) -> (Cases, Profiles) {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let cases: Vec<Value> = serde_json::from_str(&read("cases.json")).expect("cases.json");
    let cases = cases.into_iter().map(|case| {
        let id = case["id"].to_string();
        serde_json::from_value(case).map_err(|error| format!("{id}: {error}"))
    });
    let cases = cases.collect();
    let profiles = serde_json::from_str(&read("profiles.json")).expect("profiles.json");
    (cases, profiles)
}
