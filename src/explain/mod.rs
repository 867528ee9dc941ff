//! A dry run: what the layer would do, in words, and which page says so.

use std::{fmt, sync::OnceLock};

use http::{HeaderMap, Method, StatusCode};

use crate::{
    call::plan::Plan,
    decide::{
        class::{OutcomeClass, is_error},
        decision::{Decision, Step, step},
        effect::Effect,
        history::History,
        key::{KeyAction, KeyKind, KeyPlace},
        outcome::{Outcome, ResponseFacts},
        rules::{Moment, Rules},
    },
    service::{
        response_rule::Said,
        service::Service,
        source::{Rule, Source},
    },
};

/// What the layer would do after a response; made by [`Service::explain`].
///
/// ```
/// use http::{Method, StatusCode};
/// use reqwest_safe_retry::{Service, StopReason, decide::Decision};
///
/// let service = Service::builder("billing", "https://billing.internal").build()?;
/// let explanation = service.explain(&Method::POST, "/invoices", StatusCode::BAD_GATEWAY, 1);
/// assert_eq!(explanation.decision(), Some(&Decision::Fail(StopReason::NotIdempotent)), "it is sent without a key");
/// assert!(explanation.to_string().ends_with("not repeated: it could be applied twice."), "{explanation}");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    request: String,
    route: Option<String>,
    effect: Effect,
    deduplicated_by: Option<String>,
    key: Option<KeyKind>,
    /// The layer makes none: it is assumed that the caller gives one.
    callers_key: bool,
    status: StatusCode,
    attempt: u32,
    asked: u32,
    max_attempts: u32,
    /// None for a status that is not an error, or means a stored success.
    step: Option<Step>,
    sources: Vec<Source>,
}

impl Service {
    /// What would happen after this status at this attempt (the first is 1), and why, if the attempts before it got the
    /// same status and every verdict was "not applied". Nothing is sent. `path` comes after the base URL. What a body or a
    /// header would add is not known here, except that the caller's key is taken to be given where only that is sent; waits are
    /// given at their upper bound.
    ///
    /// ```
    /// use http::{Method, StatusCode};
    /// use reqwest_safe_retry::Service;
    ///
    /// let metronome = Service::metronome();
    /// let path = "/v1/contracts/addManualBalanceLedgerEntry";
    /// let explanation = metronome.explain(&Method::POST, path, StatusCode::GATEWAY_TIMEOUT, 1).to_string();
    /// assert!(explanation.contains("is a write, sent with a key (replay_all)"), "{explanation}");
    /// assert!(explanation.contains("sent again with the same key after up to 500ms"), "{explanation}");
    /// assert!(explanation.contains("https://docs.metronome.com/api-reference/idempotency (read 2026-07-13)"), "{explanation}");
    /// ```
    ///
    /// A call that would have ended at an earlier attempt is explained there.
    pub fn explain(&self, method: &Method, path: &str, status: StatusCode, attempt: u32) -> Explanation {
        // A query changes nothing.
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let below_base = format!("/{}", path.trim_start_matches('/'));
        let plan = Plan::of_service(self, method, &below_base);
        let idempotency = plan.idempotency();
        let place = if plan.keyed { idempotency.key_place() } else { KeyPlace::Absent };
        let rules = plan.rules(plan.effect, place, true);
        let (headers, read) = (HeaderMap::new(), OnceLock::new());
        let said = Said {
            status,
            headers: &headers,
            body: b"",
            is_truncated: false,
            reader: self.error_reader(),
            read: &read,
        };
        let facts = ResponseFacts { meaning: plan.meaning(&said, place), ..ResponseFacts::new(status) };
        let is_stored_success = place != KeyPlace::Absent && idempotency.replay_status == Some(status.as_u16());
        let (reached, step) = match is_error(status) && !is_stored_success {
            true => replay(&rules, &facts.into(), attempt.max(1)),
            false => (1, None),
        };
        let rule = step.as_ref().map(|step| documented_by(step.class));
        let documents = |source: &&Source| rule.is_some_and(|rule| source.rules.contains(&rule));
        Explanation {
            request: format!("{method} {path}"),
            // The plan leaves out one that changes nothing.
            route: self.route_table().find(method, &below_base).map(|known| known.route.path.to_string()),
            effect: plan.effect,
            deduplicated_by: plan.deduplicated_by_text().map(str::to_owned),
            key: (place != KeyPlace::Absent).then_some(idempotency.kind),
            callers_key: idempotency.callers_keys_only,
            status,
            attempt: reached,
            asked: attempt,
            max_attempts: rules.policy.max_attempts,
            step,
            sources: self.sources().iter().filter(documents).cloned().collect(),
        }
    }
}

/// Steps through attempts that all have this outcome; the attempt that was reached, and what follows it.
fn replay(rules: &Rules<'_>, outcome: &Outcome, attempts: u32) -> (u32, Option<Step>) {
    let mut history = History::default();
    let mut moment = Moment::default();
    loop {
        let step = step(rules, &mut history, outcome, moment.clone());
        match &step.decision {
            Decision::Retry { delay, key, .. } if history.attempts() < attempts => {
                if *key == KeyAction::VerifyThenRotate {
                    history.verified_not_applied(rules, moment.elapsed.saturating_add(*delay));
                }
                history.begin_repeat(*key);
                moment = Moment::new(moment.elapsed.saturating_add(*delay), moment.jitter_sample);
            }
            _ => return (history.attempts(), Some(step)),
        }
    }
}

/// The rule of a description that a class comes from.
fn documented_by(class: OutcomeClass) -> Rule {
    match class {
        OutcomeClass::NotSent | OutcomeClass::NoResponse | OutcomeClass::Gateway | OutcomeClass::Internal => {
            Rule::Stored
        }
        OutcomeClass::Throttled => Rule::RateLimits,
        OutcomeClass::InProgress
        | OutcomeClass::EarlierAttemptRunning
        | OutcomeClass::KeyInvalidated
        | OutcomeClass::NotApplied => Rule::Responses,
        OutcomeClass::PolicyStatus | OutcomeClass::Final { may_have_executed: true } => Rule::Retryable,
        OutcomeClass::Final { may_have_executed: false } => Rule::Errors,
    }
}

impl Explanation {
    /// What would happen; `None` if the response is returned as it is, since its status is not an error, or means a
    /// stored success.
    pub fn decision(&self) -> Option<&Decision> {
        self.step.as_ref().map(|step| &step.decision)
    }

    /// The path of the [`Route`](crate::Route) that matches the request; `None` if none does: the service's rules count.
    ///
    /// ```
    /// use http::{Method, StatusCode};
    /// use reqwest_safe_retry::Service;
    ///
    /// let explain = |path| Service::metronome().explain(&Method::POST, path, StatusCode::BAD_GATEWAY, 1);
    /// assert_eq!(explain("/v1/contracts/create").route(), Some("/v1/contracts/create"));
    /// assert_eq!(explain("/v1/contract/create").route(), None, "a mistyped path");
    /// ```
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// The attempt that is explained: the one asked about, or the earlier one at which the call would have ended.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The pages that the rule comes from.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_request(f)?;
        let Self { status, attempt, asked, max_attempts, step, .. } = self;
        let Some(step) = step else {
            let is = if is_error(*status) { "means a stored success" } else { "is not an error" };
            return write!(f, " {status} {is}: it is returned as it is.");
        };
        if attempt < asked {
            write!(f, " The call ends before attempt {asked}.")?;
        }
        write!(f, " {status} at attempt {attempt} of {max_attempts}: {}. It is ", step.class.describe())?;
        self.write_decision(f, &step.decision)?;
        for source in &self.sources {
            write!(f, " {} (read {}).", source.page, source.read)?;
        }
        Ok(())
    }
}

impl Explanation {
    fn write_decision(&self, f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
        let (delay, key) = match decision {
            Decision::Fail(stop) => return write!(f, "not sent again: {stop}."),
            Decision::Retry { delay, key, .. } => (delay, key),
        };
        let key = match (key, self.key) {
            (_, None) => "",
            (KeyAction::Preserve, _) => " with the same key",
            (KeyAction::Rotate, _) => " with a new key",
            (KeyAction::VerifyThenRotate, _) => " with a new key, once the verifier says that it was not applied,",
        };
        write!(f, "sent again{key} after up to {delay:?}.")
    }

    fn write_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Read => "a read",
            Effect::Idempotent => "idempotent",
            Effect::Deduplicated => "deduplicated by the service",
            Effect::Write => "a write",
        };
        write!(f, "{} is {effect}", self.request)?;
        match self.key {
            Some(kind) if self.callers_key => write!(f, ", sent with the key that the caller gives ({kind})")?,
            Some(kind) => write!(f, ", sent with a key ({kind})")?,
            None => f.write_str(", sent without a key")?,
        }
        if let Some(pointer) = &self.deduplicated_by {
            write!(f, "; with {pointer} in its body it is deduplicated by the service")?;
        }
        f.write_str(".")
    }
}
