//! Which settings of a retry policy contradict each other.

use std::time::Duration;

use super::config_error::FieldErrors;
use crate::decide::{
    backoff::Backoff,
    policy::{ResolvedPolicy, RetryPolicy},
    rules::RetryCosts,
    status_set::StatusSet,
};

/// `given` is what was set, `resolved` what it comes to; `path` is where it was given.
pub(crate) fn check(given: &RetryPolicy, resolved: &ResolvedPolicy, path: &str, errors: &mut FieldErrors) {
    if resolved.max_attempts == 0 {
        errors.add(format!("{path}.max_attempts"), "is 0, but the first attempt counts: use at least 1");
    }
    if resolved.deadline.is_zero() {
        errors.add(format!("{path}.deadline"), "is 0, which leaves no time for an attempt");
    }
    for (field, waits) in [("transient", &given.transient), ("throttled", &given.throttled)] {
        if let Some(waits) = waits {
            check_waits(waits, resolved.deadline, &format!("{path}.{field}.base"), errors);
        }
    }
    if let Some(timeout) = given.verify_timeout {
        check_deadline(timeout, resolved.deadline, &format!("{path}.verify_timeout"), errors);
    }
    if let Some(jitter) = &given.retry_after_jitter {
        if !(0.0..=1.0).contains(&jitter.share) {
            let message = format!("{} is not a share from 0 to 1", jitter.share);
            errors.add(format!("{path}.retry_after_jitter.share"), message);
        }
    }
    if let Some(statuses) = &given.retry_on {
        check_statuses(statuses, &format!("{path}.retry_on"), errors);
    }
}

fn check_waits(waits: &Backoff, deadline: Duration, path: &str, errors: &mut FieldErrors) {
    if waits.base > waits.cap {
        errors.add(path, format!("{:?} is above the cap {:?}", waits.base, waits.cap));
    }
    if waits.base.is_zero() {
        errors.add(path, "is 0: repeats without a wait make an outage worse");
    }
    check_deadline(waits.base, deadline, path, errors);
}

fn check_deadline(time: Duration, deadline: Duration, path: &str, errors: &mut FieldErrors) {
    if time > deadline && !deadline.is_zero() {
        errors.add(path, format!("{time:?} is above the deadline {deadline:?}"));
    }
}

/// Only errors are sent again.
pub(crate) fn check_statuses(statuses: &StatusSet, path: &str, errors: &mut FieldErrors) {
    if let Some(status) = statuses.iter().find(|status| *status < 400) {
        errors.add(path, format!("has {status}, which is not an error: use statuses from 400"));
    }
}

/// A budget that cannot pay for a single repeat; 0 switches repeats off.
pub(crate) fn check_budget(budget: u32, costs: &RetryCosts, errors: &mut FieldErrors) {
    let cheapest = costs.transient.min(costs.throttled);
    if budget > 0 && budget < cheapest {
        let message = format!("{budget} is below the cheapest repeat ({cheapest}): raise it, or use 0 for no repeats");
        errors.add("retry_budget", message);
    }
}
