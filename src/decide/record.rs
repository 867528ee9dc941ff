//! What the outcome of an attempt adds to the history.

use std::time::Duration;

use http::StatusCode;

use super::{
    class::{OutcomeClass, leaves_doubt},
    history::History,
    key::{KeyKind, Probe},
    outcome::{Outcome, Redirect, ResponseFacts},
    rules::{Moment, Rules},
};

impl History {
    /// Adds the outcome of an attempt.
    pub(super) fn record(&mut self, rules: &Rules<'_>, class: OutcomeClass, outcome: &Outcome, moment: &Moment) {
        self.attempts += 1;
        self.record_class(rules, class, moment.attempt_began);
        self.record_progress(rules, class, moment.elapsed);
        if let Some(response) = outcome.response() {
            self.record_response(response, moment.attempt_began);
        }
    }

    fn record_class(&mut self, rules: &Rules<'_>, class: OutcomeClass, began: Duration) {
        match class {
            OutcomeClass::NoResponse | OutcomeClass::InProgress | OutcomeClass::Gateway => self.may_be_executing(began),
            OutcomeClass::Throttled if !rules.limiter_precedes_execution => self.may_be_executing(began),
            OutcomeClass::EarlierAttemptRunning => self.key.unanswered = Some(began),
            OutcomeClass::Internal => {
                self.key.internal_errors += 1;
                self.key.doubt = true;
                let ends_the_key = rules.kind == KeyKind::InvalidatedByError || rules.probe == Probe::Never;
                self.key.closed |= ends_the_key && self.key.unanswered.is_none();
            }
            OutcomeClass::KeyInvalidated => self.key.closed = true,
            OutcomeClass::Final { may_have_executed } => self.key.doubt |= may_have_executed,
            OutcomeClass::NotSent | OutcomeClass::Throttled | OutcomeClass::NotApplied | OutcomeClass::PolicyStatus => {
            }
        }
    }

    /// A key that is "in progress" for too long after an internal error is stuck: nothing is executed under it any more.
    fn record_progress(&mut self, rules: &Rules<'_>, class: OutcomeClass, elapsed: Duration) {
        match class {
            OutcomeClass::InProgress | OutcomeClass::EarlierAttemptRunning => {
                let since = *self.key.in_progress.get_or_insert(elapsed);
                let lasted = elapsed.saturating_sub(since);
                let is_stuck = rules.in_progress_for.is_some_and(|longest| lasted >= longest);
                self.key.closed |= is_stuck && self.key.internal_errors > 0;
            }
            // They say nothing about the key.
            OutcomeClass::NotSent | OutcomeClass::Throttled => {}
            _ => self.key.in_progress = None,
        }
    }

    fn may_be_executing(&mut self, began: Duration) {
        self.key.unanswered = Some(began);
        self.key.doubt = true;
    }

    fn record_response(&mut self, response: &ResponseFacts, began: Duration) {
        self.throttled += u32::from(response.status == StatusCode::TOO_MANY_REQUESTS);
        if response.redirect != Redirect::NotFollowed {
            // It is not the response to the request itself, which was sent and may have been executed.
            return self.may_be_executing(began);
        }
        if response.replayed {
            self.key.closed = true;
            // The stored result is a refusal, so what was executed under the key had no effect.
            let refused = response.status.is_client_error() && !leaves_doubt(response.status);
            if refused && response.meaning.is_none() {
                self.key.doubt = false;
            }
        }
    }
}
