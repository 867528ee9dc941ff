//! Entries of an older version, of a store that lies, and of a clock that goes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    answer::{Answer, Held},
    entry::{EntryState, JournalEntry},
    step::{Begin, Ended, JournalStep, Proof},
    testing::first,
};
use crate::decide::stop::Applied;

const HOUR: Duration = Duration::from_secs(3600);
/// What this version has stored when the format was new.
const OLD: &str = r#"{"format":1,"service":"billing","scope":"","operation":"charge","method":"POST","path":"/v1/{id}",
"request":"00000000-0000-0000-0000-000000000000","key":"first","generation":0,"first_sent":3600000,"retention":86400000,
"fence":1,"lease_until":7200000,"longest_attempt":600000,"earlier_until":null,"newest":3600000,"ending":null}"#;
/// The operation of that entry: service, scope and name.
const NAME: (&str, &str, &str) = ("billing", "", "charge");

fn at(hours: u32) -> SystemTime {
    UNIX_EPOCH + HOUR * hours
}

fn begin(lease: Duration) -> JournalStep {
    let (retention, longest_attempt) = (Some(24 * HOUR), Duration::from_secs(600));
    JournalStep::begin(NAME, Begin { longest_attempt, retention, ..first(lease) })
}

/// The entry once the call of the first process has ended.
fn end(entry: JournalEntry, ended: Ended, now: SystemTime) -> JournalEntry {
    JournalStep::end(NAME, 1, ended).apply(Some(entry), now).entry.unwrap()
}

fn held(entry: Option<JournalEntry>, now: SystemTime) -> Held {
    match begin(HOUR).apply(entry, now).answer.0 {
        Answer::Begun(held) => held,
        other => panic!("{other:?}"),
    }
}

#[test]
fn entry_is_stored_as_it_was() {
    let entry = begin(HOUR).apply(None, at(1)).entry.unwrap();
    assert_eq!(entry, JournalEntry::from_json(OLD).unwrap());
    assert_eq!(JournalEntry::from_json(&entry.to_json()).unwrap(), entry);
    assert!(!format!("{entry:?}").contains("first\""), "the key is not shown");
}

#[test]
fn entry_of_a_newer_version_is_refused() {
    let newer = OLD.replacen("\"format\":1", "\"format\":2", 1);
    let error = JournalEntry::from_json(&newer).unwrap_err().to_string();
    assert_eq!(error, "the journal failed: an entry has the format 2, but this version reads 1: update this program");
}

#[test]
fn damaged_entries_are_refused() {
    for end in 0..OLD.len() {
        assert!(JournalEntry::from_json(&OLD[..end]).is_err(), "{end}");
    }
    for text in ["null", "[]", "{\"format\":1}", "{\"format\":-1}", &OLD.replace("3600000", "-1")] {
        assert!(JournalEntry::from_json(text).is_err(), "{text}");
    }
}

/// Whatever numbers a store returns, a step is applied.
#[test]
fn absurd_numbers_are_taken() {
    let number =
        |text: &str| text.replace("3600000", "18446744073709551615").replace("7200000", "18446744073709551615");
    for text in [
        number(OLD),
        OLD.replace("\"fence\":1", "\"fence\":18446744073709551615"),
        OLD.replace("\"generation\":0", "\"generation\":4294967295"),
        OLD.replace("\"longest_attempt\":600000", "\"longest_attempt\":18446744073709551615"),
        OLD.replace("\"earlier_until\":null", "\"earlier_until\":18446744073709551615"),
        OLD.replace("86400000", "18446744073709551614"),
    ] {
        let entry = JournalEntry::from_json(&text).unwrap();
        let _ = (entry.key(), entry.state(), entry.in_doubt_from(), entry.purge_from(), entry.clone().purged());
        for fence in [0, 1, u64::MAX] {
            for step in [
                begin(Duration::MAX),
                JournalStep::rotate(NAME, fence, "next".to_owned(), Proof::Verdict),
                JournalStep::end(NAME, fence, Ended::new(Applied::Yes)),
                JournalStep::resolve(&entry, Applied::No),
            ] {
                for now in [UNIX_EPOCH, at(1), at(u32::MAX), UNIX_EPOCH - HOUR] {
                    if let Some(entry) = step.apply(Some(entry.clone()), now).entry {
                        let _ = (entry.purge_from(), entry.in_doubt_from(), begin(HOUR).apply(Some(entry), now));
                    }
                }
            }
        }
    }
}

#[test]
fn clock_that_goes_back_is_noticed() {
    let entry = begin(HOUR).apply(None, at(100)).entry.unwrap();
    // In doubt, so that another process may begin it at any time.
    let ended = Some(end(entry, Ended::new(Applied::Unknown), at(100)));
    let minute = Duration::from_secs(60);
    for (now, behind) in [(at(101), false), (at(100), false), (at(100) - minute, false), (at(100) - 2 * minute, true)] {
        assert_eq!(held(ended.clone(), now).clock_is_behind, behind, "{now:?}");
    }
}

#[test]
fn attempts_of_earlier_processes_are_over_after_the_last_of_them() {
    let mut entry = begin(HOUR).apply(None, at(0)).entry;
    // The second process has a shorter lease, which ends before what the first one has sent is over.
    entry = begin(Duration::ZERO).apply(entry, at(1)).entry;
    let third = held(entry, at(1) + Duration::from_secs(1));
    assert_eq!(third.earlier, Some(Duration::from_secs(599)));
    assert_eq!((third.fence, third.age), (3, HOUR + Duration::from_secs(1)));
}

#[test]
fn only_ended_entries_of_known_retention_are_purged() {
    let end = |entry, applied| end(entry, Ended::new(applied), at(2));
    let begun = JournalEntry::from_json(OLD).unwrap();
    assert_eq!((begun.purge_from(), begun.in_doubt_from()), (None, Some(7_200_000)));
    let doubtful = end(begun.clone(), Applied::Unknown);
    assert_eq!((doubtful.purge_from(), doubtful.in_doubt_from()), (None, Some(7_200_000)));
    let ended = end(begun, Applied::No);
    assert_eq!((ended.purge_from(), ended.in_doubt_from()), (Some(50 * 3_600_000), None));
    let ended_at = ended.newest;
    let purged = ended.purged();
    assert_eq!((purged.state(), purged.purge_from()), (EntryState::Purged(Applied::No), None));
    assert_eq!((purged.key(), purged.method(), purged.path()), (None, "", ""));
    assert_eq!(purged.fence, 1, "who held the operation once is still turned away");
    assert_eq!(purged.newest, ended_at, "a clock that has gone back is still noticed");
    assert_eq!(begin(HOUR).apply(Some(purged), at(99)).answer.0, Answer::Closed(Applied::No));
    for retention in ["null", "18446744073709551615"] {
        let kept = JournalEntry::from_json(&OLD.replace("86400000", retention)).unwrap();
        assert_eq!(end(kept, Applied::Yes).purge_from(), None);
    }
}

#[test]
fn entry_says_why_its_call_stopped() {
    let begun = JournalEntry::from_json(OLD).unwrap();
    assert_eq!(begun.stop(), None);
    for (stop, said) in [("attempts_exhausted", Some("attempts_exhausted")), ("", None)] {
        let ended = Ended { stop, ..Ended::new(Applied::Unknown) };
        assert_eq!(end(begun.clone(), ended, at(2)).stop(), said);
    }
}

/// What may still be executed cannot be called "not applied".
#[test]
fn resolution_waits_for_what_was_sent() {
    let begun = JournalEntry::from_json(OLD).unwrap();
    let resolved = |applied, now| JournalStep::resolve(&begun, applied).apply(Some(begun.clone()), now);
    let resolve = |applied, now| resolved(applied, now).answer.0;
    let over = at(2) + Duration::from_secs(600);
    assert_eq!(resolve(Applied::Yes, at(2) - HOUR / 2), Answer::RunningElsewhere(HOUR / 2));
    assert_eq!(resolve(Applied::No, at(2)), Answer::TooEarly(Duration::from_secs(600)));
    assert_eq!(resolve(Applied::No, over), Answer::Ended);
    assert_eq!(resolve(Applied::Yes, at(2)), Answer::Ended);
    assert_eq!(resolved(Applied::Yes, at(2)).entry.unwrap().stop(), Some("resolved"));
}
