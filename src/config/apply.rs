//! What a file gives, put over a description.

use std::borrow::Cow;

use super::{
    file::{
        BackoffTable, ErrorFormatTable, FullHint, FullSignal, HintTable, IdempotencyTable, RateLimitingTable,
        RetryTable, RouteTable, ServiceTable, SignalTable,
    },
    values::{Share, Span},
    words::{Kind, Unit},
};
use crate::{
    backoff::Backoff,
    config_error::Mistakes,
    error_format::ErrorFormat,
    hint::{HintHeader, RateLimiting},
    idempotency::{Idempotency, KeyKind, Place},
    policy::RetryPolicy,
    route::{Effect, Route},
    service::{Service, ServiceBuilder},
    signal::Signal,
};

/// Changes `target` by `setter` where the file gives a value.
macro_rules! set {
    ($target:ident, $($setter:ident: $value:expr,)*) => {$(
        if let Some(value) = $value {
            $target = $target.$setter(value);
        }
    )*};
}

fn duration(span: Option<Span>) -> Option<std::time::Duration> {
    span.map(|Span(duration)| duration)
}

fn bytes(number: Option<u32>) -> Option<usize> {
    number.map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

impl ServiceTable {
    /// The description of the service `name`; what only the file can have wrong is a mistake.
    pub(super) fn builder(&self, name: &str, mistakes: &mut Mistakes) -> ServiceBuilder {
        let mut builder = self.from.map_or_else(|| Service::builder(""), |description| description.value());
        builder.name = Cow::Owned(name.to_owned());
        if self.base_url.is_none() && builder.base_url.is_empty() {
            mistakes.add("base_url", "is missing");
        }
        set!(builder,
            base_url: self.base_url.clone(),
            window: self.window.map(|window| window.value()),
            retryable: self.retryable.as_ref().map(|statuses| statuses.set()),
            retry_signal: self.retry_signal.as_ref().map(SignalTable::signal),
        );
        if let Some(table) = &self.retry {
            builder.policy = table.over(builder.policy);
        }
        if let Some(table) = &self.idempotency {
            builder.idempotency = table.over(builder.idempotency, mistakes);
        }
        if let Some(table) = &self.rate_limiting {
            builder.rate_limiting = table.over(builder.rate_limiting);
        }
        if let Some(table) = &self.error_format {
            builder.error_format = table.over(builder.error_format);
        }
        for (index, table) in self.routes.iter().flatten().enumerate() {
            table.check(index, mistakes);
        }
        let given: Vec<Route> = self.routes.iter().flatten().map(RouteTable::route).collect();
        builder.routes.retain(|old| !given.iter().any(|new| (&new.method, &new.path) == (&old.method, &old.path)));
        builder.routes(given)
    }
}

impl RetryTable {
    fn over(&self, mut policy: RetryPolicy) -> RetryPolicy {
        let transient = self.transient.as_ref().map(|table| table.over(policy.transient));
        let throttled = self.throttled.as_ref().map(|table| table.over(policy.throttled));
        set!(policy,
            max_attempts: self.max_attempts,
            transient: transient,
            throttled: throttled,
            hint_cap: duration(self.hint_cap),
            deadline: duration(self.deadline),
            budget: self.budget,
            retry_on: self.retry_on.as_ref().map(|statuses| statuses.set()),
            verify_timeout: duration(self.verify_timeout),
            max_error_body: bytes(self.max_error_body),
            error_body_timeout: duration(self.error_body_timeout),
            buffer_bodies: bytes(self.buffer_bodies),
        );
        if let Some(table) = &self.hint_jitter {
            let (share, cap) = policy.hint_jitter;
            policy =
                policy.hint_jitter(table.share.map_or(share, |Share(share)| share), duration(table.cap).unwrap_or(cap));
        }
        if let Some(table) = &self.retry_costs {
            let (transient, throttled) = policy.costs;
            policy = policy.retry_costs(table.transient.unwrap_or(transient), table.throttled.unwrap_or(throttled));
        }
        policy
    }
}

impl BackoffTable {
    fn over(&self, waits: Backoff) -> Backoff {
        Backoff {
            base: duration(self.base).unwrap_or(waits.base),
            cap: duration(self.cap).unwrap_or(waits.cap),
            jitter: self.jitter.map_or(waits.jitter, |jitter| jitter.value()),
        }
    }
}

impl IdempotencyTable {
    fn over(&self, keys: Idempotency, mistakes: &mut Mistakes) -> Idempotency {
        if self.kind == Some(Kind::None) {
            if *self != (Self { kind: self.kind, ..Self::default() }) {
                mistakes.add("idempotency.kind", "is `none` although keys are described: leave the other fields out");
            }
            return Idempotency::none();
        }
        let Some(mut keys) = self.placed(keys, mistakes) else { return Idempotency::none() };
        set!(keys,
            keyed: self.keyed.as_ref().map(|methods| methods.iter().map(|method| method.0.clone())),
            format: self.format.map(|format| format.value()),
            characters: self.characters.map(|characters| characters.value()),
            max_length: bytes(self.max_length),
            retention: duration(self.retention),
            probe: self.probe.map(|probe| probe.value()),
            transient_signal: self.transient_signal.as_ref().map(SignalTable::signal),
            replay_marker: self.replay_marker.as_ref().map(SignalTable::signal),
        );
        if let Some(rules) = &self.conflicts {
            keys.conflicts.clear();
            for rule in rules {
                keys = match &rule.text {
                    Some(text) => keys.conflict_saying(rule.status.0, text.clone(), rule.meaning.value()),
                    None => keys.conflict(rule.status.0, rule.meaning.value()),
                };
            }
        }
        if let Some(callers_only) = self.callers_keys_only {
            if !callers_only && keys.body_pointer().is_some() {
                mistakes.add("idempotency.callers_keys_only", "is false, but a key is never written into a body");
            }
            keys.made_by_layer = !callers_only;
        }
        keys
    }

    /// The description with the place and the kind that the file gives; nothing where it has no place or no kind.
    fn placed(&self, old: Idempotency, mistakes: &mut Mistakes) -> Option<Idempotency> {
        let kind = self.kind.map(|kind| kind.value()).or(Some(old.kind).filter(|kind| *kind != KeyKind::None));
        if kind.is_none() {
            mistakes.add("idempotency.kind", "is missing");
        }
        let place = match (&self.header, &self.body_member) {
            (Some(_), Some(_)) => {
                mistakes.add("idempotency.body_member", "is given besides a header: keys have one place");
                return None;
            }
            (Some(header), None) => Some(Idempotency::header(header.clone(), kind?)),
            (None, Some(pointer)) => Some(Idempotency::body_member(pointer.clone(), kind?)),
            (None, None) => None,
        };
        match (place, &old.place) {
            (None, Place::Nowhere) => {
                mistakes.add("idempotency.header", "is missing: name it, or a `body_member`");
                None
            }
            (Some(new), Place::Nowhere) => Some(new),
            (new, _) => {
                let mut keys = old;
                keys.kind = kind?;
                if let Some(new) = new {
                    (keys.place, keys.made_by_layer) = (new.place, new.made_by_layer);
                }
                // What the description says of a probe holds for its own kind.
                keys.probe = keys.probe.filter(|_| keys.kind == KeyKind::ReplayAll);
                Some(keys)
            }
        }
    }
}

impl RateLimitingTable {
    fn over(&self, mut limits: RateLimiting) -> RateLimiting {
        set!(limits,
            hints: self.hints.as_ref().map(|hints| hints.iter().map(HintTable::hint)),
            scope_header: self.scope_header.clone(),
        );
        if let Some(ignored) = self.ignore_rate_limit_header {
            limits.rate_limit_header = !ignored;
        }
        if let Some(follows) = self.limiter_follows_execution {
            limits.precedes_execution = !follows;
        }
        limits
    }
}

impl ErrorFormatTable {
    fn over(&self, mut format: ErrorFormat) -> ErrorFormat {
        set!(format,
            message: self.message.clone(),
            code: self.code.clone(),
            error_type: self.error_type.clone(),
            request_id_headers: self.request_id_headers.clone(),
            request_id: self.request_id.clone(),
        );
        format
    }
}

impl RouteTable {
    fn check(&self, index: usize, mistakes: &mut Mistakes) {
        if self.effect.value() == Effect::Read && self.deduplicated_by.is_some() {
            mistakes.add(format!("routes[{index}].deduplicated_by"), "makes no sense for a route that only reads");
        }
    }

    fn route(&self) -> Route {
        let mut route = Route::new(self.method.0.clone(), self.path.clone(), self.effect.value());
        set!(route, deduplicated_by: self.deduplicated_by.clone(),);
        if self.keyed == Some(false) { route.unkeyed() } else { route }
    }
}

impl SignalTable {
    fn signal(&self) -> Signal {
        match self {
            Self::Header(header) => Signal::new(header.clone()),
            Self::Full(FullSignal { header, yes, no }) => {
                let word = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
                Signal::new(header.clone()).saying(word(yes, "true"), word(no, "false"))
            }
        }
    }
}

impl HintTable {
    fn hint(&self) -> HintHeader {
        match self {
            Self::Header(header) => HintHeader::seconds(header.clone()),
            Self::Full(FullHint { header, unit }) => unit.unwrap_or(Unit::Seconds).value()(header.clone()),
        }
    }
}
