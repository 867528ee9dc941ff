//! What the outcome of an attempt adds to the history.

use super::{
    class::{OutcomeClass, leaves_doubt},
    history::{Elapsed, History},
    key::{KeyKind, Meaning, Probe},
    outcome::{Outcome, Redirect, ResponseFacts},
    rules::{Moment, Rules},
};

impl History {
    /// Adds the outcome of an attempt.
    pub(super) fn record(&mut self, rules: &Rules<'_>, class: OutcomeClass, outcome: &Outcome, moment: &Moment) {
        // A probe that is refused is made for all that wait, and no call runs out of attempts by it.
        let is_refused = matches!(class, OutcomeClass::Throttled | OutcomeClass::Gateway);
        let is_free = moment.is_probe && is_refused && rules.policy.max_attempts > 1;
        self.attempts += u32::from(!is_free);
        let began = Elapsed::of(moment.attempt_began);
        let must_stop = outcome.response().is_some_and(|response| response.retry_signal == Some(false));
        self.refused = class == OutcomeClass::Final { may_have_executed: false } && !must_stop;
        self.record_class(rules, class, began);
        self.record_progress(rules, class, moment);
        if let Some(response) = outcome.response() {
            self.record_response(response, began, is_free);
        }
    }

    fn record_class(&mut self, rules: &Rules<'_>, class: OutcomeClass, began: Elapsed) {
        match class {
            OutcomeClass::NoResponse | OutcomeClass::Gateway => self.may_be_executing(began),
            OutcomeClass::Throttled if !rules.limiter_precedes_execution => self.may_be_executing(began),
            OutcomeClass::InProgress => (self.key.conflicted, self.key.doubt) = (Some(began), true),
            OutcomeClass::EarlierAttemptRunning => {
                self.key.conflicted = Some(began);
                self.key.doubt |= rules.key_is_shared();
            }
            OutcomeClass::Internal => {
                self.key.internal_errors += 1;
                self.key.doubt = true;
                let ends_the_key = rules.kind == KeyKind::InvalidatedByError || rules.probe == Probe::Never;
                self.key.closed |= ends_the_key && self.key.may_be_executing().is_none();
            }
            OutcomeClass::KeyInvalidated => {
                (self.key.closed, self.key.used_up) = (true, true);
                // By an attempt of another process, if not by one of this call.
                self.key.doubt |= rules.key_is_shared();
            }
            OutcomeClass::Final { may_have_executed: true } => self.may_be_executing(began),
            OutcomeClass::Final { may_have_executed: false }
            | OutcomeClass::NotSent
            | OutcomeClass::Throttled
            | OutcomeClass::NotApplied
            | OutcomeClass::PolicyStatus => {}
        }
    }

    /// A key that is "in progress" for too long after an internal error is stuck, unless a request that was not answered
    /// may be what is in progress.
    fn record_progress(&mut self, rules: &Rules<'_>, class: OutcomeClass, moment: &Moment) {
        match class {
            OutcomeClass::InProgress | OutcomeClass::EarlierAttemptRunning => {
                let since = *self.key.in_progress.get_or_insert(Elapsed::of(moment.elapsed));
                let over = |began: Elapsed| rules.longest_execution.map(|longest| began.after(longest));
                let nothing_runs =
                    self.key.unanswered.is_none_or(|began| over(began).is_some_and(|over| over <= moment.elapsed));
                let has_lasted = rules.in_progress_for.is_some_and(|longest| since.after(longest) <= moment.elapsed);
                self.key.closed |= has_lasted && nothing_runs && self.key.internal_errors > 0;
            }
            // They say nothing about the key.
            OutcomeClass::NotSent | OutcomeClass::Throttled => {}
            _ => self.key.in_progress = None,
        }
    }

    fn may_be_executing(&mut self, began: Elapsed) {
        self.key.unanswered = Some(began);
        self.key.doubt = true;
    }

    fn record_response(&mut self, response: &ResponseFacts, began: Elapsed, is_free: bool) {
        self.throttled += u32::from(response.is_throttled() && !is_free);
        if response.redirect != Redirect::NotFollowed {
            // It is not the response to the request itself, which was sent and may have been executed.
            return self.may_be_executing(began);
        }
        // What is still in progress is not stored yet, and a refusal or an overload never is, whatever is marked.
        let is_stored =
            !matches!(response.meaning, Some(Meaning::InProgress | Meaning::Throttled | Meaning::Unavailable));
        if response.replayed && is_stored {
            (self.key.closed, self.key.used_up) = (true, true);
            // The stored result is a refusal, so what was executed under the key had no effect. A rate limiter stores none.
            let is_limited = matches!(response.status.as_u16(), 425 | 429);
            let refused = response.status.is_client_error() && !leaves_doubt(response.status) && !is_limited;
            if refused && matches!(response.meaning, None | Some(Meaning::Final)) {
                self.key.doubt = false;
            }
        }
    }
}
