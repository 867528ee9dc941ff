//! What is true at a moment, and what of it the future depends on.

use std::time::SystemTime;

use reqwest_safe_retry::{
    Applied,
    durable::{EntryState, JournalAnswer, JournalEntry, JournalStep},
};
use serde_json::Value;

use super::{
    super::delivery::Observed,
    scenario::{LONGEST_ATTEMPT, Protection, Scenario},
    service::{Millis, ServiceModel},
    story::{Event, How, Who},
};

/// What is true at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) service: ServiceModel,
    /// What the journal has.
    pub(super) entry: Option<JournalEntry>,
    pub(super) lives: Vec<Life>,
    /// The journal has recorded that the write took effect.
    was_applied: bool,
    /// The journal has recorded what was not true.
    pub(super) is_untrue: bool,
    /// For all that the processes know, a request may have been executed.
    pub(super) in_doubt: bool,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Life {
    began: Millis,
    pub(super) lease_until: Millis,
    /// What it knows, each with the time.
    heard: Vec<(Millis, Heard)>,
    held_up: Option<(Event, How)>,
    /// It began after the write was recorded to have taken effect.
    pub(super) comes_after: bool,
    /// It has recorded whether the write took effect, and may tell its caller later.
    pub(super) has_recorded: bool,
    /// It is dead, or its call has ended.
    is_over: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    Response(Observed, Option<usize>),
    Journal(String),
    Verifier { applied: bool },
}

/// All that the future depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    service: ServiceModel,
    entry: Option<String>,
    lives: Vec<Life>,
    in_doubt: bool,
    was_applied: bool,
    next: Next,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    /// An attempt of this process.
    Attempt(usize),
    Turn(Who),
}

impl Facts {
    pub(super) fn begin_life(&mut self, scenario: Scenario, now: Millis) -> usize {
        let lease = if scenario.protection == Protection::Journal { 0 } else { scenario.lease() };
        self.lives.push(Life {
            began: now,
            lease_until: now + lease,
            heard: Vec::new(),
            held_up: None,
            comes_after: self.was_applied,
            has_recorded: false,
            is_over: false,
        });
        self.lives.len() - 1
    }

    /// When the last lease ends.
    pub(super) fn lease_until(&self) -> Millis {
        self.lives.iter().map(|life| life.lease_until).max().unwrap_or_default()
    }

    pub(super) fn pass_time(&mut self, scenario: Scenario, now: Millis) {
        self.service.pass_time(scenario, now);
    }

    pub(super) fn heard(&mut self, life: usize, now: Millis, heard: Heard) {
        let life = &mut self.lives[life];
        life.heard.push((now - life.began, heard));
    }

    /// What the process is answered, once it goes on.
    pub(super) fn sent(&mut self, life: usize, now: Millis, observed: Observed, key: Option<usize>) {
        self.in_doubt |= observed.may_have_executed();
        self.heard(life, now, Heard::Response(observed, key));
    }

    /// The process stops: to the others, what it has begun counts as sent.
    pub(super) fn stop(&mut self, life: usize, event: Event, how: How) {
        self.in_doubt |= !self.lives[life].heard.is_empty();
        if how == How::Dies {
            self.end_life(life);
        } else {
            self.lives[life].held_up = Some((event, how));
        }
    }

    pub(super) fn end_life(&mut self, life: usize) {
        // What was begun and not ended counts as sent.
        self.in_doubt |= self.entry.is_some() && self.recorded().is_none();
        let life = &mut self.lives[life];
        (life.is_over, life.has_recorded, life.began) = (true, false, 0);
        life.held_up = None;
        life.comes_after = false;
        life.heard.clear();
    }

    /// What the journal must answer.
    pub(super) fn apply(
        &mut self,
        scenario: Scenario,
        step: &JournalStep,
        wall: SystemTime,
        now: Millis,
        life: usize,
    ) -> JournalAnswer {
        self.pass_time(scenario, now);
        let outcome = step.apply(self.entry.clone(), wall);
        if let Some(entry) = outcome.entry {
            let begins = fence(Some(&entry)) > fence(self.entry.as_ref());
            if begins {
                // What was begun and not ended counts as sent.
                self.in_doubt |= self.entry.is_some() && self.recorded().is_none();
                self.lives[life].lease_until = now + scenario.lease();
            } else if entry.state() != EntryState::Begun {
                let lease_until = &mut self.lives[life].lease_until;
                *lease_until = now.min(*lease_until);
                if scenario.locks {
                    self.service.ends_by(life, now + LONGEST_ATTEMPT - 1);
                }
            }
            self.entry = Some(entry);
            self.record(life);
        }
        self.heard(life, now, Heard::Journal(format!("{:?}", outcome.answer)));
        outcome.answer
    }

    /// The process may have recorded how the operation has ended: that is true of all that was sent until now.
    fn record(&mut self, life: usize) {
        let Some(applied) = self.recorded() else { return };
        self.lives[life].has_recorded = true;
        self.was_applied |= applied;
        self.is_untrue |= self.service.applied() != usize::from(applied);
        if !applied {
            self.in_doubt = false;
            self.service.deny(None);
        }
    }

    /// Whether the journal says how the operation has ended.
    pub(super) fn recorded(&self) -> Option<bool> {
        match self.entry.as_ref()?.state() {
            EntryState::Ended(Applied::Yes) => Some(true),
            EntryState::Ended(Applied::No) => Some(false),
            _ => None,
        }
    }

    /// All that the future depends on.
    pub(super) fn state(&self, next: Next, now: Millis) -> State {
        let mut lives = self.lives.clone();
        for life in &mut lives {
            life.lease_until = life.lease_until.saturating_sub(now);
            life.began = if life.is_over { 0 } else { now - life.began };
        }
        let entry = self.entry.as_ref().map(|entry| relative(entry, now));
        State {
            service: self.service.relative_to(now),
            entry,
            lives,
            in_doubt: self.in_doubt,
            was_applied: self.was_applied,
            next,
        }
    }
}

fn fence(entry: Option<&JournalEntry>) -> u64 {
    entry.map_or(0, |entry| parsed(entry)["fence"].as_u64().unwrap())
}

fn parsed(entry: &JournalEntry) -> Value {
    serde_json::from_str(&entry.to_json()).unwrap()
}

/// The entry with its times relative to now.
fn relative(entry: &JournalEntry, now: Millis) -> String {
    let mut entry = parsed(entry);
    let shift = |time: &mut Value| {
        if let Some(at) = time.as_u64() {
            *time = (i128::from(at) - i128::from(now) - 1_767_225_600_000).to_string().into();
        }
    };
    for name in ["first_sent", "lease_until", "earlier_until", "newest"] {
        shift(&mut entry[name]);
    }
    if let Some(ending) = entry.get_mut("ending").filter(|ending| !ending.is_null()) {
        shift(&mut ending["at"]);
    }
    entry.to_string()
}
