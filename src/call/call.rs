//! The state of a call.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use reqwest::{Request, Url};

use super::{
    carried::{Carried, EarlierPass},
    failed::FailedAttempt,
    key::CallKey,
    operating::Operating,
    plan::Plan,
    replay::{self, ReplayableRequest},
};
use crate::{
    attempts::Attempts,
    decide::{
        effect::Effect,
        history::History,
        key::{KeyAction, KeySharing},
        outcome::Redirect,
        rules::Rules,
        stop::Applied,
    },
    key::IdempotencyKey,
    limit::{
        budget::Withdrawal,
        hosts::HostLimits,
        limiters::{Limiters, Permits},
    },
    observer::CallFacts,
    telemetry::{recorder::Recorder, spans},
    time::{Clock, Instant},
    wire::{json, redirect},
};

/// One pass of the caller's request through the layer: its request, key and plan, and what the attempts have shown so
/// far. The steps are in the other files of this folder.
pub(crate) struct Call<'a> {
    pub(super) plan: Plan<'a>,
    pub(super) request: ReplayableRequest,
    pub(super) extensions: Carried<'a>,
    pub(super) key: CallKey,
    /// The key that the caller gave, if an earlier pass has replaced it.
    pub(super) given_key: Option<Box<IdempotencyKey>>,
    pub(super) key_generation: u32,
    /// When the key was sent for the first time, by this call or before it.
    pub(super) key_first_sent: Option<SystemTime>,
    pub(super) clock: &'a Arc<dyn Clock>,
    redirects: Redirects,
    pub(super) recorder: Recorder<'a>,
    /// Of the current attempt.
    pub(super) permits: Permits<'a>,
    /// Whether the current attempt finds out if the service is back.
    pub(super) is_probe: bool,
    pub(super) started: Instant,
    /// When the current attempt was sent.
    pub(super) sent: Instant,
    /// The clock as it was read last: a step that takes no time need not read it again.
    pub(super) now: Instant,
    pub(super) body_replayable: bool,
    pub(super) history: History,
    pub(super) attempts: Attempts,
    /// The last attempt, for the error of a call that ends before the next one.
    pub(super) last: Option<Box<FailedAttempt>>,
    /// The next attempt, once one was decided; in a box, since few calls have one.
    pub(super) repeat: Option<Box<Repeat<'a>>>,
    /// After how many attempts the verifier was asked, the largest number before: never twice about the same ones.
    pub(super) verified_after: u32,
    pub(super) tokens_spent: u32,
    /// The effect that its body gives the request, once it was looked at.
    effect_by_body: OnceLock<Effect>,
    /// In a box, since few calls have one.
    pub(super) operating: Option<Box<Operating<'a>>>,
}

/// Whether the client below may follow redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirects {
    MayBeFollowed,
    NotFollowed,
}

/// The next attempt, as it was decided.
pub(super) struct Repeat<'a> {
    pub(super) key: KeyAction,
    pub(super) tokens: Withdrawal<'a>,
}

impl<'a> Call<'a> {
    /// The request comes last, and into its place at once: a request is large, and would otherwise be copied twice more.
    #[inline(always)]
    pub(crate) fn new(
        plan: Plan<'a>,
        extensions: Carried<'a>,
        recorder: Recorder<'a>,
        clock: &'a Arc<dyn Clock>,
        redirects: Redirects,
        now: Instant,
        request: Request,
    ) -> Self {
        Self {
            recorder,
            extensions,
            key: CallKey::None,
            given_key: None,
            key_generation: 0,
            key_first_sent: None,
            clock,
            redirects,
            permits: Permits::default(),
            is_probe: false,
            started: now,
            sent: now,
            now,
            history: History::default(),
            attempts: Attempts::default(),
            last: None,
            repeat: None,
            verified_after: u32::MAX,
            tokens_spent: 0,
            effect_by_body: OnceLock::new(),
            operating: None,
            plan,
            body_replayable: replay::in_memory(&request).is_some(),
            request: ReplayableRequest::new(request),
        }
    }

    pub(super) fn time_left(&self) -> Duration {
        self.plan.policy().deadline.saturating_sub(self.started.elapsed())
    }

    /// `None` if it is too far away to be expressed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.started.checked_add(self.plan.policy().deadline)
    }

    pub(super) fn is_past_deadline(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// The key in use, with the time of its first use, if a request with it may have been executed.
    pub(super) fn current_key(&self) -> Option<IdempotencyKey> {
        self.key.to_key().map(|key| self.with_first_use(key))
    }

    pub(super) fn with_first_use(&self, key: IdempotencyKey) -> IdempotencyKey {
        match self.key_first_sent {
            Some(first_sent) if self.recorder.is_in_flight() || self.history.is_in_doubt() => {
                key.first_sent(first_sent)
            }
            _ => key,
        }
    }

    /// The time since the key was first sent: the longer of what the wall clock and the monotonic clock say, since the
    /// monotonic clock may stop while a machine sleeps. If the first use lies in the future, the wall clock was set back: the
    /// key counts as too old. A minute is allowed, because the clocks of two machines differ.
    pub(super) fn key_age(&self) -> Duration {
        const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
        let Some(first_sent) = self.key_first_sent else { return Duration::ZERO };
        match self.clock.wall().duration_since(first_sent) {
            Ok(age) => age.max(self.started.elapsed()),
            Err(behind) if behind.duration() <= CLOCKS_DIFFER => self.started.elapsed(),
            Err(_) => Duration::MAX,
        }
    }

    /// The keys of the call, each with the time at which it was first sent; `current` is the one in use.
    pub(super) fn used_keys(&self, current: Option<IdempotencyKey>) -> Vec<IdempotencyKey> {
        let current = current.map(|key| match self.key_first_sent {
            Some(first_sent) => key.first_sent(first_sent),
            None => key,
        });
        let current = current.map(|key| key.of_generation(self.key_generation));
        self.request.replaced_key().cloned().into_iter().chain(current).collect()
    }

    /// For a later pass of the same request, which must not get another key than this, the one in use.
    pub(super) fn leave_key(&mut self, current: Option<IdempotencyKey>) {
        let Some(current) = current else { return };
        let Some(request) = self.request.fingerprint() else { return };
        let first_sent = current.first_sent_at();
        let given = self.given_key.take().map(|given| *given).or_else(|| self.request.replaced_key().cloned());
        let given = given.unwrap_or(current);
        let (key, tokens_spent) = (self.key.clone(), self.tokens_spent);
        self.extensions.leave(EarlierPass { request, given, key, first_sent, tokens_spent });
    }

    /// What the calls to the request's host share.
    pub(super) fn limits(&self) -> &'a HostLimits {
        self.plan.service.limits_of(self.request.url())
    }

    pub(super) fn limiters(&self) -> Option<&'a Limiters> {
        self.limits().limiters.as_ref()
    }

    pub(super) fn limit_key(&self) -> Option<String> {
        self.plan.service.limit_key(&self.request.facts())
    }

    /// The URL of the attempt, with a key in its query.
    pub(super) fn sent_url(&self) -> Cow<'_, Url> {
        self.key.with_url(self.request.url(), self.plan.idempotency())
    }

    /// Whether a response with this URL came after a redirect.
    pub(super) fn redirect(&self, responded: &Url) -> Redirect {
        match self.redirects {
            Redirects::MayBeFollowed => redirect::between(&self.sent_url(), responded),
            Redirects::NotFollowed => Redirect::NotFollowed,
        }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        let mut rules = self.plan.rules(self.effect(), self.key.place(), self.body_replayable);
        rules.key_sharing = self.operating.as_ref().map_or(KeySharing::Unshared, |operating| operating.key_sharing());
        // What was applied earlier is not sent with another key, whatever the verifier says now.
        rules.has_verifier &= !self.was_applied_earlier();
        rules
    }

    /// The effect of the request. If its body has a say, it is looked at only after an attempt has failed.
    pub(super) fn effect(&self) -> Effect {
        if self.plan.deduplicated_by().is_none() {
            return self.plan.effect;
        }
        *self.effect_by_body.get_or_init(|| self.look_at_effect())
    }

    fn look_at_effect(&self) -> Effect {
        let is_given = |pointer: &json::Pointer| pointer.find(self.request.body()?).map(|member| member.is_given());
        let deduplicated = self.plan.deduplicated_by().and_then(is_given).unwrap_or(false);
        if deduplicated { Effect::Deduplicated } else { self.plan.effect }
    }

    /// Method and template of the path for an event; without a template the path, without secrets. `None` if no
    /// subscriber is interested.
    #[cold]
    pub(super) fn request_line(&self) -> Option<String> {
        if !spans::takes_warnings() {
            return None;
        }
        let (method, url) = (self.request.method(), self.request.url());
        Some(match self.plan.service.template(method, url) {
            Some(template) => format!("{method} {template}"),
            None => {
                let head = self.request.head(self.plan.idempotency().header_name().cloned());
                format!("{method} {}", head.shown_path(self.current_key().as_ref()))
            }
        })
    }

    /// Whether a write may have been applied of which nobody would know if the call is dropped now.
    fn may_lose_its_write(&self) -> bool {
        let in_doubt = self.applied() == Applied::Unknown;
        let is_write = self.plan.effect != Effect::Read && !self.was_applied_earlier();
        is_write && (in_doubt || self.recorder.is_in_flight())
    }
}

/// What an observer sees of a call. These are parts of the call, so that its recorder can be used meanwhile.
#[inline(always)]
pub(super) fn facts<'f>(plan: &Plan<'f>, request: &'f ReplayableRequest, attempts: &'f Attempts) -> CallFacts<'f> {
    let (service, effect) = (plan.service, plan.effect);
    CallFacts { service, method: request.method(), url: request.url(), effect, attempts }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.recorder.has_ended() {
            self.attempts.finish(self.started.elapsed());
            let lost = self.may_lose_its_write().then(|| (self.request_line(), self.current_key()));
            let call = facts(&self.plan, &self.request, &self.attempts);
            if let Some((request, key)) = lost {
                self.recorder.lost(&call, request, key);
            }
            self.recorder.cancelled(&call);
            self.leave_key(self.current_key());
        }
    }
}
