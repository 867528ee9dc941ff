//! What the workflows reported, against what took effect.

use metronome_simulator::Ledger;
use serde_json::json;

use crate::{billing::CUSTOMERS, workflow::Told};

/// A workflow, and what it reported if it ended.
pub(crate) struct Record {
    pub(crate) workflow_id: String,
    pub(crate) name: Option<String>,
    pub(crate) told: Option<Told>,
    pub(crate) starts: i64,
}

#[derive(Default)]
pub(crate) struct Report {
    mode: &'static str,
    operations: usize,
    kills: usize,
    recovered: usize,
    applied: usize,
    refused: usize,
    twice: usize,
    lost: usize,
    in_doubt: usize,
    /// The workflows that break a promise, each in a line.
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(mode: &'static str, kills: usize, records: &[Record], ledger: &Ledger) -> Self {
        let mut report = Self { mode, kills, operations: records.len(), ..Self::default() };
        for record in records {
            report.add(record, times(record, ledger));
        }
        report
    }

    fn add(&mut self, record: &Record, times: usize) {
        let is_lost = match &record.told {
            Some(Told::Applied) => times == 0,
            Some(Told::NotApplied) => times > 0,
            Some(Told::InDoubt(_)) => false,
            None => true,
        };
        self.recovered += usize::from(record.starts > 1);
        self.applied += usize::from(record.told == Some(Told::Applied));
        self.refused += usize::from(record.told == Some(Told::NotApplied));
        self.in_doubt += usize::from(matches!(record.told, Some(Told::InDoubt(_))));
        self.twice += usize::from(times > 1);
        self.lost += usize::from(is_lost);
        if is_lost || times > 1 {
            self.failures.push(format!("{}: applied {times} times, reported {:?}", record.workflow_id, record.told));
        }
    }

    /// Whether every promise was kept.
    pub(crate) fn holds(&self) -> bool {
        self.twice == 0 && self.lost == 0
    }

    pub(crate) fn print(&self, is_json: bool) {
        for failure in &self.failures {
            eprintln!("{failure}");
        }
        if is_json {
            println!("{}", self.json());
            return;
        }
        println!("{}: {} workflows, {} kills", self.mode, self.operations, self.kills);
        println!("started more than once {:>5}", self.recovered);
        println!("reported as applied    {:>5}", self.applied);
        println!("reported as refused    {:>5}", self.refused);
        println!("reported in doubt      {:>5}", self.in_doubt);
        println!("applied twice          {:>5}", self.twice);
        println!("lost                   {:>5}", self.lost);
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "mode": self.mode,
            "operations": self.operations,
            "kills": self.kills,
            "applied_twice": self.twice,
            "lost": self.lost,
            "in_doubt": self.in_doubt,
        })
    }
}

/// How often the write took effect. Each has a name of its own.
fn times(record: &Record, ledger: &Ledger) -> usize {
    let Some(name) = &record.name else { return 0 };
    ledger.on(CUSTOMERS).filter(|entry| entry.body["name"] == *name).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_promises_are_counted() {
        let report = |told, times| {
            let mut report = Report::default();
            report.add(&Record { workflow_id: String::new(), name: None, told, starts: 1 }, times);
            (report.twice, report.lost, report.in_doubt)
        };
        assert_eq!(report(Some(Told::Applied), 1), (0, 0, 0));
        assert_eq!(report(Some(Told::Applied), 2), (1, 0, 0));
        assert_eq!(report(Some(Told::Applied), 0), (0, 1, 0));
        assert_eq!(report(Some(Told::NotApplied), 0), (0, 0, 0));
        assert_eq!(report(Some(Told::NotApplied), 1), (0, 1, 0));
        assert_eq!(report(Some(Told::InDoubt(String::new())), 2), (1, 0, 1));
        assert_eq!(report(None, 0), (0, 1, 0));
    }
}
