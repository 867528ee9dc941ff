//! What is told, in words that do not change: values of fields and labels.

use http::StatusCode;

use crate::{
    attempts::VerdictKind,
    decide::{Applied, Stop},
    error::Error,
    outcome::{Failure, Outcome},
    route::Effect,
};

pub(super) const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Deduplicated => "deduplicated",
        Effect::Write => "write",
    }
}

pub(super) const fn stop(stop: Stop) -> &'static str {
    match stop {
        Stop::Permanent => "permanent",
        Stop::NotIdempotent => "not_idempotent",
        Stop::BodyNotReplayable => "body_not_replayable",
        Stop::Attempts => "attempts",
        Stop::Unverified => "unverified",
        Stop::RetryAfter => "retry_after",
        Stop::Deadline => "deadline",
        Stop::Budget => "budget",
    }
}

pub(super) const fn applied(applied: Applied) -> &'static str {
    match applied {
        Applied::No => "no",
        Applied::Yes => "yes",
        Applied::Unknown => "unknown",
    }
}

pub(super) const fn verdict(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Applied => "applied",
        VerdictKind::NotApplied => "not_applied",
        VerdictKind::Unknown => "unknown",
    }
}

pub(super) const fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::NotSent => "not_sent",
        Failure::NotProcessed => "not_processed",
        Failure::Ambiguous => "no_answer",
        Failure::Untrusted => "untrusted",
        Failure::Unsendable => "unsendable",
        Failure::RedirectLoop => "redirect_loop",
        Failure::Middleware => "middleware",
    }
}

/// Which of the call's keys an attempt carries; one in the body has no generation.
pub(super) const fn key(generation: u32, keyed: bool) -> &'static str {
    match (keyed, generation) {
        (false, _) => "none",
        (true, 0 | 1) => "preserved",
        (true, _) => "rotated",
    }
}

pub(super) fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failure(failed) => failure(failed),
        Outcome::Answer(answer) => match answer.status {
            StatusCode::TOO_MANY_REQUESTS => "429",
            status if status.is_success() => "2xx",
            status if status.is_redirection() => "3xx",
            status if status.is_client_error() => "4xx",
            _ => "5xx",
        },
    }
}

pub(super) fn ending(error: &Error) -> &'static str {
    if error.applied() == Applied::Unknown { "in_doubt" } else { "failed" }
}
