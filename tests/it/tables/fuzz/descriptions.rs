//! Descriptions of services.

use proptest::prelude::*;
use reqwest_safe_retry::{
    ConcurrencyLimit, ErrorFormat, ErrorStatusHandling, LimitKeySource, RateLimiting, RetryAfterSource, RetryAfterUnit,
    Route, Service, ServiceBuilder, StatusSet,
};

use super::{
    URL,
    idempotency::{idempotencies, responses},
    policies::policies,
    texts::{boolean_headers, effects, given_methods, names, paths, pointers, statuses, texts},
};

prop_compose! {
    fn routes()(
        (method, path, effect) in (given_methods(), paths(), effects()),
        deduplicated_by in prop::option::weighted(0.2, pointers()),
        unkeyed in any::<bool>(),
        policy in prop::option::weighted(0.1, policies().boxed()),
        limits in (prop::option::weighted(0.2, limit_keys()), prop::option::weighted(0.2, texts())),
    ) -> Route {
        let mut route = Route::new(method, path, effect);
        if let Some(pointer) = deduplicated_by {
            route = route.deduplicated_by(pointer);
        }
        if let Some(policy) = policy {
            route = route.retry_policy(policy);
        }
        if let Some(sources) = limits.0 {
            route = route.limit_key_from(sources);
        }
        if let Some(group) = limits.1 {
            route = route.limit_group(group);
        }
        if unkeyed { route.unkeyed() } else { route }
    }
}

prop_compose! {
    fn error_formats()(
        pointers in prop::collection::vec(pointers(), 1..3),
        ids in prop::collection::vec(pointers(), 0..2),
        id_headers in prop::collection::vec(names(), 0..2),
    ) -> ErrorFormat {
        let format = ErrorFormat::new().message(pointers.clone()).code(pointers.clone()).error_type(pointers);
        format.request_id_headers(id_headers).request_id(ids)
    }
}

prop_compose! {
    fn rate_limits()(
        hints in prop::option::of(prop::collection::vec((names(), any::<bool>()), 0..3)),
        scope in prop::option::of((names(), prop::collection::vec(texts(), 1..3))),
        (ignored, late) in (any::<bool>(), any::<bool>()),
    ) -> RateLimiting {
        let mut limits = RateLimiting::new();
        if let Some(hints) = hints {
            limits = limits.retry_after(hints.into_iter().map(|(name, millis)| {
                let unit = if millis { RetryAfterUnit::Milliseconds } else { RetryAfterUnit::Seconds };
                RetryAfterSource::header(name).unit(unit)
            }));
        }
        if let Some((header, values)) = scope {
            limits = limits.scope_header(header, values);
        }
        if ignored {
            limits = limits.ignore_rate_limit_header();
        }
        if late { limits.limiter_follows_execution() } else { limits }
    }
}

fn limit_keys() -> impl Strategy<Value = Vec<LimitKeySource>> {
    let one = prop_oneof![
        names().prop_map(LimitKeySource::header),
        texts().prop_map(LimitKeySource::body_member),
        texts().prop_map(LimitKeySource::path_parameter),
    ];
    prop::collection::vec(one, 0..3)
}

fn concurrency_limits() -> impl Strategy<Value = ConcurrencyLimit> {
    prop_oneof![
        2 => Just(ConcurrencyLimit::Adaptive),
        1 => Just(ConcurrencyLimit::Off),
        1 => (1..9_u32).prop_map(ConcurrencyLimit::Fixed),
    ]
}

prop_compose! {
    /// What a description has beside its keys, policy and routes.
    fn bare()(
        name in prop_oneof![12 => Just("fuzz".to_owned()), 1 => texts()],
        base_url in prop_oneof![12 => Just(URL.to_owned()), 1 => texts()],
        format in prop::option::of(error_formats()),
        limits in rate_limits(),
        signal in prop::option::of(boolean_headers()),
        retryable in prop::option::of((statuses(), statuses())),
        limit in concurrency_limits(),
        as_response in any::<bool>(),
    ) -> ServiceBuilder {
        let mut builder = Service::builder(name, base_url).rate_limiting(limits).concurrency_limit(limit);
        if let Some(format) = format {
            builder = builder.error_format(format);
        }
        if let Some(signal) = signal {
            builder = builder.retry_signal(signal);
        }
        if let Some((first, last)) = retryable {
            builder = builder.retryable(StatusSet::of(&[]).with(first..=last));
        }
        builder.error_statuses(if as_response { ErrorStatusHandling::Response } else { ErrorStatusHandling::Error })
    }
}

prop_compose! {
    pub(super) fn descriptions()(
        mut builder in bare().boxed(),
        idempotency in prop::option::of(idempotencies().boxed()),
        policy in prop::option::of(policies().boxed()),
        routes in prop::collection::vec(routes().boxed(), 0..4),
        budget in prop_oneof![2 => Just(500_u32), 1 => any::<u32>()],
        costs in prop::option::weighted(0.3, (any::<u32>(), any::<u32>())),
        keys in prop::option::weighted(0.3, limit_keys()),
        rules in responses(),
    ) -> ServiceBuilder {
        if let Some(keys) = keys {
            builder = builder.limit_key_from(keys);
        }
        if let Some(idempotency) = idempotency {
            builder = builder.idempotency(idempotency);
        }
        if let Some(policy) = policy {
            builder = builder.retry_policy(policy);
        }
        if let Some((transient, throttled)) = costs {
            builder = builder.retry_costs(transient, throttled);
        }
        builder.responses(rules).routes(routes).retry_budget(budget)
    }
}
