//! What the outcome of an attempt adds to the history.

use http::StatusCode;

use super::{
    class::{OutcomeClass, leaves_doubt},
    history::History,
    key::{KeyKind, Probe},
    outcome::{Outcome, Redirect, ResponseFacts},
    rules::Rules,
};

impl History {
    /// Adds the outcome of an attempt.
    pub(super) fn record(&mut self, rules: &Rules<'_>, class: OutcomeClass, outcome: &Outcome) {
        self.attempts += 1;
        self.record_class(rules, class);
        if let Some(response) = outcome.response() {
            self.record_response(response);
        }
    }

    fn record_class(&mut self, rules: &Rules<'_>, class: OutcomeClass) {
        match class {
            OutcomeClass::NoResponse | OutcomeClass::InProgress | OutcomeClass::Gateway => self.may_be_executing(),
            OutcomeClass::Throttled if !rules.limiter_precedes_execution => self.may_be_executing(),
            OutcomeClass::EarlierAttemptRunning => self.key.unanswered = true,
            OutcomeClass::Internal => {
                self.key.internal_errors += 1;
                self.key.doubt = true;
                let ends_the_key = rules.kind == KeyKind::InvalidatedByError || rules.probe == Probe::Never;
                self.key.closed |= ends_the_key && !self.key.unanswered;
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

    fn record_response(&mut self, response: &ResponseFacts) {
        self.left_origin |= response.redirect == Redirect::OtherOrigin;
        if response.redirect != Redirect::NotFollowed {
            // It is not the response to the request itself, which was sent and may have been executed.
            self.may_be_executing();
        }
        self.throttled += u32::from(response.status == StatusCode::TOO_MANY_REQUESTS);
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
