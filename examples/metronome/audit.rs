//! The audit: what the callers were told, against what truly took effect.

use std::collections::HashMap;

use console::style;
use metronome_simulator::Ledger;
use reqwest_safe_retry::Applied;
use serde_json::Value;

use crate::{
    story::{ADD_ENTRY, CREATE_CONTRACT, CUSTOMERS, EDIT, INGEST, Write, identity},
    verifier::DELTA,
};

/// A write, and whether it took effect by what its caller was told.
pub(crate) struct Record {
    pub(crate) write: Write,
    pub(crate) told: Applied,
}

/// A line of the audit; all is well where both numbers are the same.
pub(crate) struct Row {
    name: &'static str,
    intended: i64,
    found: i64,
}

type Weight = fn(&Value) -> i64;

const KINDS: [(&str, &str, Weight); 6] = [
    ("customers", CUSTOMERS, |_| 1),
    ("contracts", CREATE_CONTRACT, |_| 1),
    ("seats", EDIT, |edit| edit.pointer(DELTA).and_then(Value::as_i64).unwrap_or_default()),
    ("balance entries", ADD_ENTRY, |_| 1),
    ("balance", ADD_ENTRY, |entry| entry["amount"].as_i64().unwrap_or_default()),
    ("events", INGEST, |_| 1),
];

pub(crate) fn audit(records: &[Record], ledger: &Ledger) -> Vec<Row> {
    let effects = Effects::of(ledger);
    let kind = |(name, path, weight): (_, _, Weight)| {
        let intended = records.iter().map(|record| &record.write).filter(|write| write.path == path);
        let intended = intended.map(|write| weight(&write.body)).sum();
        Row { name, intended, found: ledger.on(path).map(|entry| weight(&entry.body)).sum() }
    };
    let count = |name, intended, is_such: fn(Applied, usize) -> bool| {
        let told_and_times = records.iter().map(|Record { write, told }| (*told, effects.times(write)));
        let found = told_and_times.filter(|(told, times)| is_such(*told, *times)).count();
        Row { name, intended: intended as i64, found: found as i64 }
    };
    let counts = [
        count("writes applied once", records.len(), |_, times| times == 1),
        count("applied more than once", 0, |_, times| times > 1),
        count("lost, or told wrongly", 0, |told, times| told == if times == 0 { Applied::Yes } else { Applied::No }),
        count("in doubt", 0, |told, _| told == Applied::Unknown),
    ];
    KINDS.into_iter().map(kind).chain(counts).collect()
}

/// How often each write took effect.
struct Effects<'a>(HashMap<(&'a str, &'a Value), usize>);

impl<'a> Effects<'a> {
    fn of(ledger: &'a Ledger) -> Self {
        let mut times = HashMap::new();
        for entry in ledger.entries() {
            if let Some(identity) = identity(&entry.path, &entry.body) {
                *times.entry((entry.path.as_str(), identity)).or_default() += 1;
            }
        }
        Self(times)
    }

    fn times(&self, write: &Write) -> usize {
        let identity = identity(&write.path, &write.body);
        identity.and_then(|identity| self.0.get(&(write.path.as_str(), identity))).copied().unwrap_or_default()
    }
}

/// How often the writes of one call took effect; nothing for a read.
pub(crate) fn effect(writes: &[Write], ledger: &Ledger) -> String {
    let effects = Effects::of(ledger);
    let all: Vec<usize> = writes.iter().map(|write| effects.times(write)).collect();
    let text = match (all.iter().min(), all.iter().max()) {
        (Some(1), Some(1)) => style("applied once".to_owned()).green(),
        (Some(0), _) => style("not applied".to_owned()).red().bold(),
        (_, Some(most)) => style(format!("applied {most} times")).red().bold(),
        _ => return String::new(),
    };
    format!(" · {text}")
}

/// Whether everything is as it was intended.
pub(crate) fn is_clean(audit: &[Row]) -> bool {
    audit.iter().all(|row| row.found == row.intended)
}

pub(crate) fn print(layer: &[Row], naive: &[Row]) {
    println!("{}", style(format!("{:<24}{:>10}{:>10}{:>10}", "", "intended", "layer", "naive")).dim());
    for (layer, naive) in layer.iter().zip(naive) {
        let [with, without] = [layer, naive].map(|row| {
            let found = style(format!("{:>10}", row.found));
            if row.found == row.intended { found.green() } else { found.red().bold() }
        });
        println!("{:<24}{:>10}{with}{without}", layer.name, layer.intended);
    }
}
