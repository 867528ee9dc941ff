//! What must be true when a call has ended.

use reqwest_safe_retry::{Applied, StopReason};

use super::{delivery::Observed, scenario::Repeat, transport::State};

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Success,
    Failure(StopReason, Applied),
}

/// A call that has ended.
pub(super) struct Ended {
    pub(super) told: Told,
    /// How often the write took effect when the call ended, and once everything has arrived.
    pub(super) applied: [u32; 2],
    pub(super) observed: Vec<Observed>,
    pub(super) keys: usize,
    pub(super) states: Vec<State>,
}

impl Ended {
    /// Whether the caller was told the truth, and the write happened at most once.
    pub(super) fn violation(&self, repeat: Repeat) -> Option<String> {
        let [at_the_end, later] = self.applied;
        let may_have_executed = self.observed.iter().any(|observed| observed.may_have_executed());
        let is_true = match self.told {
            Told::Success | Told::Failure(_, Applied::Yes) if repeat != Repeat::Nothing => {
                at_the_end == 1 && later == 1
            }
            Told::Success => true,
            Told::Failure(_, Applied::Yes) => false,
            Told::Failure(_, Applied::No) => later == 0,
            Told::Failure(_, Applied::Unknown) => may_have_executed && repeat != Repeat::Nothing,
        };
        let (told, observed) = (self.told, &self.observed);
        (later > 1 || !is_true)
            .then(|| format!("told {told:?}, applied {at_the_end} then {later}; observed {observed:?}"))
    }
}
