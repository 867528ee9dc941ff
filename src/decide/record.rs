//! What the outcome of an attempt adds to the history.

use http::StatusCode;

use super::{
    class::OutcomeClass,
    history::History,
    key::{KeyKind, Meaning, Probe},
    outcome::{Outcome, Redirect, ResponseFacts},
    rules::Rules,
};

impl History {
    /// Adds the outcome of an attempt.
    pub(super) fn record(&mut self, rules: &Rules<'_>, class: OutcomeClass, outcome: &Outcome) {
        self.attempts += 1;
        self.record_class(rules, class);
        if let Some(response) = outcome.response() {
            self.record_response(rules, response);
        }
    }

    fn record_class(&mut self, rules: &Rules<'_>, class: OutcomeClass) {
        match class {
            OutcomeClass::NoResponse | OutcomeClass::InProgress | OutcomeClass::Gateway => self.may_be_executing(),
            OutcomeClass::Throttled if !rules.limiter_precedes_execution => self.may_be_executing(),
            OutcomeClass::EarlierAttemptRunning => self.key.unanswered = true,
            OutcomeClass::Internal => {
                self.internal_errors += 1;
                self.key.internal_errors += 1;
                self.key.doubt = true;
                let stored = rules.probe == Probe::Never && !self.key.unanswered;
                self.key.closed |= rules.kind == KeyKind::InvalidatedByError || stored;
            }
            OutcomeClass::KeyInvalidated => self.key.closed = true,
            OutcomeClass::Final { may_have_executed } => self.key.doubt |= may_have_executed,
            OutcomeClass::NotSent | OutcomeClass::Throttled | OutcomeClass::NotApplied | OutcomeClass::PolicyStatus => {
            }
        }
    }

    fn may_be_executing(&mut self) {
        self.key.unanswered = true;
        self.key.doubt = true;
    }

    fn record_response(&mut self, rules: &Rules<'_>, response: &ResponseFacts) {
        self.left_origin |= response.redirect == Redirect::OtherOrigin;
        if response.redirect != Redirect::NotFollowed {
            // It is not the response to the request itself, which was sent and may have been executed.
            self.may_be_executing();
        }
        self.throttled += u32::from(response.status == StatusCode::TOO_MANY_REQUESTS);
        if response.replayed {
            self.key.closed = true;
            // The stored result is a refusal, so what was executed under the key had no effect.
            let refused = response.status.is_client_error() && response.status != StatusCode::REQUEST_TIMEOUT;
            if refused && response.meaning.is_none() {
                self.key.doubt = false;
            }
        }
        // The first attempt passed the check for duplicates before it got its internal error, so the duplicate that a
        // later one reports is its own. A gateway's error proves no such thing.
        let is_duplicate = response.meaning == Some(Meaning::AlreadyExists);
        if is_duplicate && rules.kind != KeyKind::ResourceKey && self.internal_errors > 0 {
            self.found_applied = true;
        }
    }
}
