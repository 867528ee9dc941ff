//! Compares a run with the expectation of its case.

use super::{
    case::{Case, Expect},
    run::Found,
};

/// The fields that differ, each with what was expected and found.
struct Differences(Vec<String>);

/// The differences between a run and its case.
pub(super) fn differences(case: &Case, found: &Found, jitter_sample: f64) -> Vec<String> {
    let mut differences = Differences(Vec::new());
    let unknown = case.config.unknown.keys().cloned().collect::<Vec<_>>().join(", ");
    differences.compare("config", String::new(), unknown);
    differences.compare_outcome(&case.expect, found);
    differences.compare_keys(&case.expect, found);
    if let Some(expected) = case.expect.verify_calls {
        differences.compare("verify_calls", expected.to_string(), found.verify_calls.to_string());
    }
    differences.compare_delay(case, found, jitter_sample);
    for (name, expected) in &case.expect.typed {
        let found = found.typed.get(name).map_or_else(|| "no such field".into(), ToString::to_string);
        differences.compare(&format!("typed.{name}"), expected.to_string(), found);
    }
    let consumed = &case.script[..case.script.len() - found.unread];
    if let Some(index) = consumed.iter().position(|step| step.unreached) {
        differences.compare("script", format!("step {} unreached", index + 1), "reached".into());
    }
    differences.0
}

impl Differences {
    fn compare(&mut self, field: &str, expected: String, found: String) {
        if expected != found {
            self.0.push(format!("{field}: expected {expected}, found {found}"));
        }
    }

    fn compare_outcome(&mut self, expect: &Expect, found: &Found) {
        self.compare("attempts", expect.attempts.to_string(), found.attempts.to_string());
        self.compare("outcome", expect.outcome.clone(), found.outcome.into());
        for (field, expected, found) in [
            ("kind", &expect.kind, &found.kind),
            ("stop", &expect.stop, &found.stop),
            ("applied", &expect.applied, &found.applied),
        ] {
            if let Some(expected) = expected {
                self.compare(field, expected.clone(), found.clone().unwrap_or_else(|| "nothing".into()));
            }
        }
    }

    fn compare_keys(&mut self, expect: &Expect, found: &Found) {
        if let Some(expected) = &expect.key {
            self.compare("key", expected.clone(), key_changes(&found.keys, expected));
        }
        if let Some(expected) = expect.rotated_at_attempt {
            let found = found.keys.windows(2).position(|pair| pair[0] != pair[1]).map(|index| index + 2);
            let found = found.map_or_else(|| "never".into(), |attempt| attempt.to_string());
            self.compare("rotated_at_attempt", expected.to_string(), found);
        }
        if let Some(expected) = &expect.wire_key {
            for key in &found.keys {
                self.compare("wire_key", expected.clone(), key.clone().unwrap_or_default());
            }
        }
    }

    fn compare_delay(&mut self, case: &Case, found: &Found, jitter_sample: f64) {
        let (Some([least, most]), true) = (case.expect.delay_ms, found.outcome != "cancelled") else { return };
        let at_upper_bound = jitter_sample > 0.5 || case.config.jitter.as_deref() == Some("none");
        let bound = if at_upper_bound { most } else { least };
        self.compare("delay_ms", bound.to_string(), found.waited.as_millis().to_string());
    }
}

/// How the key changed over the attempts, in the terms of the cases.
fn key_changes(keys: &[Option<String>], expected: &str) -> String {
    if keys.iter().all(Option::is_none) {
        return "absent".into();
    }
    if keys.iter().any(Option::is_none) {
        return format!("missing in some of {keys:?}");
    }
    let changes = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
    match changes {
        0 => "same".into(),
        1 => "rotated".into(),
        n => format!("rotated {n} times, expected {expected}"),
    }
}
