//! What a limit does in situations that matter, as recorded in `tests/traces/limit.txt`: a rule that changes shows there.
//!
//! Everything is played by numbers, without a clock. If the lines that differ are meant, look at each of them and record
//! them with `UPDATE_TRACES=1 cargo test --lib traces`.

mod process;
mod scenarios;
mod service;

use std::{env, fs, time::Duration};

use process::Process;
use scenarios::{Scenario, all};
use service::Service;

use super::fleet_state::FleetState;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// The time that each line of the record covers.
const LINE: Duration = Duration::from_secs(1);
/// What a report to the store of a fleet takes.
const REPORT_TAKES: Duration = Duration::from_millis(1);

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces/limit.txt");

#[test]
fn limits_do_what_is_recorded() {
    let played: String = all().iter().map(play).collect();
    if env::var_os("UPDATE_TRACES").is_some() {
        fs::write(RECORDED, &played).unwrap();
    }
    let recorded = fs::read_to_string(RECORDED).unwrap();
    let mut title = "";
    for (number, (played, recorded)) in played.lines().zip(recorded.lines()).enumerate() {
        if recorded.starts_with('#') {
            title = recorded;
        }
        assert_eq!(played, recorded, "limit.txt, line {}, of {title}", number + 1);
    }
    assert_eq!(played.lines().count(), recorded.lines().count());
}

/// Plays a scenario to its end, with a line for each second and process in which something happens.
fn play(scenario: &Scenario) -> String {
    let mut service = Service::new(scenario);
    let mut processes: Vec<_> = (0..scenario.processes.len()).map(|number| Process::new(scenario, number)).collect();
    let mut store = FleetState::default();
    let mut text = format!("# {}\n", scenario.title);
    let (mut now, mut line) = (Duration::ZERO, LINE);
    while now < scenario.until {
        let mut next = line;
        for process in &mut processes {
            process.end(now);
            if service.begins_with_a_new_store(now) {
                store = FleetState::default();
            }
            process.report(now, (!service.phase(now).store_is_away).then_some(&mut store));
            process.arrive(now, &mut service);
            process.start(now, &mut service);
            next = next.min(process.next());
        }
        // Something that is due has been done: time goes on.
        now = next.max(now + Duration::from_nanos(1));
        if now >= line {
            for (number, process) in processes.iter_mut().enumerate() {
                let seen = process.line(line);
                text.extend(seen.map(|seen| format!("{:>3} s, {number}: {seen}\n", line.as_secs())));
            }
            line += LINE;
        }
    }
    text
}
