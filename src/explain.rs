//! A dry run: what the layer would do, in words, and which page says so.

use std::fmt;

use http::{Method, StatusCode};
use reqwest::Url;

use crate::{
    decide::{Decision, History, KeyAction, KeyPlace, Situation, decide, line},
    idempotency::KeyKind,
    outcome::{Answer, Outcome},
    route::Effect,
    service::Service,
    source::Source,
    window::Window,
};

/// What the layer would do after an answer; made by [`Service::explain`].
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    request: String,
    effect: Effect,
    guard: Option<String>,
    key: Option<KeyKind>,
    answer: String,
    line: &'static str,
    decision: Decision,
    sources: Vec<Source>,
}

impl Service {
    /// Says what would happen after this answer at this attempt (the first is 1), the attempts before it having met the
    /// same, and why. Nothing is sent. What a body or a header would add is not known here, and waits are told at their upper bound.
    ///
    /// ```
    /// use http::{Method, StatusCode};
    /// use reqwest_safe_retry::Service;
    ///
    /// let metronome = Service::metronome();
    /// let path = "/v1/contracts/addManualBalanceLedgerEntry";
    /// let explanation = metronome.explain(&Method::POST, path, StatusCode::GATEWAY_TIMEOUT, 1).to_string();
    /// assert!(explanation.contains("is a write, sent with a key (ReplayAll)"), "{explanation}");
    /// assert!(explanation.contains("sent again with the same key after up to 500ms"), "{explanation}");
    /// assert!(explanation.contains("https://docs.metronome.com/api-reference/idempotency (read 2026-07-13)"), "{explanation}");
    /// ```
    pub fn explain(&self, method: &Method, path: &str, status: StatusCode, attempt: u32) -> Explanation {
        let url = format!("{}/{}", self.base_url().trim_end_matches('/'), path.trim_start_matches('/'));
        let url = Url::parse(&url).ok();
        let operation = url.as_ref().map(|url| self.operation(method, url));
        let effect = operation.as_ref().map_or_else(|| Effect::of_method(method), |operation| operation.effect);
        let has_header = self.idempotency().header_name().is_some();
        let keyed = operation.as_ref().is_some_and(|operation| operation.keyed) && has_header;
        let place = if keyed { KeyPlace::Header } else { KeyPlace::Absent };
        let policy = operation.as_ref().map_or(self.retry_policy(), |operation| operation.policy(self));

        let outcome = Outcome::Answer(Answer::new(status));
        let mut situation = Situation::new(effect, place, self.idempotency().kind(), policy, outcome);
        situation.probe = self.idempotency().probes();
        situation.retryable = policy.retry_on.unwrap_or(self.retryable());
        situation.limiter_precedes_execution = self.rate_limiting().precedes_execution();
        situation.verifier = self.the_verifier().is_some();
        situation.window = self.window() == Window::Adaptive;
        situation.history = History::default();
        for _ in 0..attempt.clamp(1, 1000) {
            situation.history = situation.history.after(&situation);
        }
        let (line, rule) = line(&situation);
        let sources = self.sources().iter().filter(|source| source.rules().contains(&rule)).cloned().collect();
        Explanation {
            request: format!("{method} {path}"),
            effect,
            guard: operation.and_then(|operation| Some(operation.guard?.pointer.to_string())),
            key: keyed.then(|| self.idempotency().kind()),
            answer: format!("{status} at attempt {attempt} of {}", policy.max_attempts),
            line,
            decision: decide(&situation),
            sources,
        }
    }
}

impl Explanation {
    /// What would happen.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The pages that the rule comes from.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Read => "a read",
            Effect::Idempotent => "idempotent",
            Effect::Deduplicated => "recognised by the service when it is repeated",
            Effect::Write => "a write",
        };
        write!(f, "{} is {effect}", self.request)?;
        match self.key {
            Some(kind) => write!(f, ", sent with a key ({kind:?})")?,
            None => f.write_str(", sent without a key")?,
        }
        if let Some(guard) = &self.guard {
            write!(f, "; with {guard} in its body it is recognised when it is repeated")?;
        }
        write!(f, ". {}: {}. It is ", self.answer, self.line)?;
        match self.decision {
            Decision::Fail(stop) => write!(f, "not sent again: {stop}.")?,
            Decision::Retry { delay, key, .. } => {
                let key = match (key, self.key) {
                    (_, None) => "",
                    (KeyAction::Preserve, _) => " with the same key",
                    (KeyAction::Rotate, _) => " with a new key",
                    (KeyAction::VerifyThenRotate, _) => " with a new key if the verifier says that it was not applied,",
                };
                write!(f, "sent again{key} after up to {delay:?}.")?;
            }
        }
        for source in &self.sources {
            write!(f, " {} (read {}).", source.page(), source.read())?;
        }
        Ok(())
    }
}
