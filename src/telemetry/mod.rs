//! Spans, events and metrics of the layer, without keys, tokens, query strings, headers or bodies.
//!
//! Spans have the route's template, and metrics neither that nor a path. An event at INFO or above shows the template;
//! the path of a request that no route matches is shown without the secrets that the request carried.
//!
//! # Spans
//!
//! All have the target `reqwest_safe_retry`, so that `reqwest_safe_retry=debug` shows everything. Names are those of
//! OpenTelemetry's conventions for HTTP clients if there is one; the crate's own begin with `safe_retry.`.
//!
//! `safe_retry.call`, INFO, is one call with its waits:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method`, `server.address`, `server.port` | of the request; a method outside the known list is `_OTHER`, and in `http.request.method_original` |
//! | `url.template` | base path and path of the matched [`Route`](crate::Route); absent if none matched |
//! | `safe_retry.service` | [`Service::name`](crate::Service::name) |
//! | `safe_retry.effect` | `read`, `idempotent`, `deduplicated`, `write`; without looking at the body |
//! | `safe_retry.verdict` | `applied`, `not_applied`, `unknown`, if a verifier was asked |
//! | `safe_retry.outcome` | `ok` (at once), `recovered` (after several attempts), `verified_applied` (the verifier found the write), `failed`, `in_doubt`, `cancelled` (dropped before it ended) |
//! | `safe_retry.attempts` | how many were made |
//! | `safe_retry.stop_reason`, `safe_retry.applied` | [`Error::stop`](crate::Error::stop), [`Error::applied`](crate::Error::applied); of a failed call |
//! | `http.response.status_code` | of the last response |
//! | `error.type` | of a failed call: the last status, else how the last attempt failed |
//! | `otel.status_code` | `ERROR` if the call failed, as tracing-opentelemetry reads it |
//!
//! `safe_retry.attempt`, DEBUG, is one attempt within it, without the wait that follows:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method`, `server.address`, `server.port`, `url.template` | as above |
//! | `http.request.resend_count` | 1 for the second attempt; absent on the first |
//! | `safe_retry.key` | `none`, `first`, `preserved` (the first key again), `rotated` (a new one) |
//! | `safe_retry.key_digest` | [`IdempotencyKey::digest`](crate::IdempotencyKey::digest), never the key |
//! | `http.response.status_code`, `error.type`, `otel.status_code` | as above, of this attempt |
//! | `safe_retry.decision` | `return`, `retry`, `fail` |
//! | `safe_retry.reason` | the class of a failed attempt: `not_sent`, `rate_limited`, `no_response`, `in_progress`, `earlier_attempt_running`, `key_invalidated`, `not_applied`, `gateway`, `http_500` (and other 5xx), `policy_status`, `final` |
//! | `safe_retry.stop_reason` | why there is no further attempt: `permanent`, `not_idempotent`, `body_not_replayable`, `attempts_exhausted`, `unverified`, `key_expired`, `journal_unavailable`, `running_elsewhere`, `retry_after_too_long`, `deadline_exceeded`, `budget_exhausted` |
//! | `safe_retry.wait_ms`, `safe_retry.wait_source` | the wait that follows, and where it comes from: `backoff`, `retry_after` |
//! | `safe_retry.replayed` | `true` if the response was marked as a stored one |
//!
//! Neither is of the kind `client`: put reqwest-tracing below the layer for that, and for trace headers. Its spans are
//! then within the attempts; put above, its one span is around the call. A verifier's own requests are within the call.
//!
//! # Events
//!
//! | level | when | fields |
//! |---|---|---|
//! | WARN | once per call that ends in doubt: `call ended in doubt` | `error`, `advice`, `safe_retry.stop_reason`, `safe_retry.key_digest` |
//! | WARN | once per write that is dropped while an attempt is in flight or in doubt: `call dropped in doubt` | `request`, `attempts` (those that had ended), `safe_retry.key_digest` |
//! | WARN | once per service, if the client follows a redirect of a write | `request`, `to_other_origin` |
//! | WARN | when the journal fails after an attempt was sent | `request`, `error`, `safe_retry.key_digest` |
//! | WARN, INFO | when the store of a shared limit does not answer, and when it answers again | `error` |
//! | INFO | once per call that recovered, or whose write the verifier found: `call recovered` | `request`, `attempts` |
//! | INFO | when the concurrency limit of a service closes, and when it reopens | `limit_group` if it is that of one |
//! | INFO | at the first request to each host that no service covers, up to 100 hosts | `server.address` |
//! | DEBUG | `attempt ended`, `verifier asked`, `call failed` | those of the spans |
//!
//! Each is one line. `request` is the method with the route's template, or with the path if no route matches; `error`
//! begins with it, and has the status, the number of attempts and why they stopped; `attempts` has each status and each
//! wait; `advice` is [`Error::advice`](crate::Error::advice).
//!
//! Subscribers show the fields of an event's span beside it. So an event does not repeat the service of its span,
//! `safe_retry.call`. Where no subscriber takes the span, which is at INFO, the event has the field
//! `safe_retry.service` itself; so has that of a limit which a fleet closes, since it belongs to no call. A subscriber
//! that leaves the span out while another one takes it sees events without a service: let all of them take
//! `reqwest_safe_retry=info`.
//!
//! What to do about each is in the guide's page on [operations](crate::guide::operations).
//!
//! # Observers
//!
//! What the metrics count is shown to any [`Observer`](crate::Observer) of the layer: each attempt, each repeat, each new key and each
//! end, with facts that borrow from the call.
//!
//! # Metrics
//!
//! With the feature `metrics`, through the `metrics` facade. `service` is the name of the service and `effect` as above;
//! no label ever has a path, a key or anything else that a request or a response contains.
//!
//! | name | kind | unit | labels | what |
//! |---|---|---|---|---|
//! | `safe_retry_calls_total` | counter | calls | `service`, `effect`, `outcome` | calls that ended; `outcome` as in the span |
//! | `safe_retry_attempts_total` | counter | attempts | `service`, `effect`, `outcome` | attempts that ended; `outcome` is `2xx`, `3xx`, `4xx`, `429`, `5xx`, or how one without a response failed: `not_sent`, `not_processed`, `no_response`, `tls`, `invalid_request`, `redirect_loop`, `middleware` |
//! | `safe_retry_attempt_duration_seconds` | histogram | seconds | `service`, `effect`, `outcome` | time from sending an attempt to its response head or failure; `outcome` as for `safe_retry_attempts_total` |
//! | `safe_retry_retries_total` | counter | attempts | `service`, `effect`, `reason` | repeats that were sent; `reason` as in the span |
//! | `safe_retry_wait_seconds` | histogram | seconds | `service`, `effect`, `reason` | waits between attempts |
//! | `safe_retry_in_doubt_total` | counter | calls | `service`, `effect`, `reason` | calls that ended in doubt; `reason` as `safe_retry.stop_reason` |
//! | `safe_retry_rotations_total` | counter | keys | `service`, `effect` | new keys sent |
//! | `safe_retry_verdicts_total` | counter | verdicts | `service`, `effect`, `verdict` | verdicts of verifiers |
//! | `safe_retry_replays_total` | counter | attempts | `service`, `effect` | responses marked as stored ones |
//! | `safe_retry_concurrency_limit` | gauge | attempts | `service` | how many may be in flight; absent without a limit, and where each host has its own |
//! | `safe_retry_queue_wait_seconds` | histogram | seconds | `service`, `effect` | waits in the queue of the concurrency limit |
//! | `safe_retry_budget_tokens` | gauge | tokens | `service` | what is left of the retry budget; absent where each host has its own |
//!
//! The gauges are set whenever an attempt has failed or a call has ended, but not when a call is dropped. Of a service
//! with several hosts they are absent: one number would be that of another host each time; see
//! [`Health::hosts`](crate::Health::hosts). `describe_metrics` gives a recorder units and descriptions. Times are
//! histograms: a Prometheus exporter has to be given buckets for them. `dashboards/reqwest-safe-retry.json` is a
//! Grafana dashboard of them all. `dashboards/alerts.yml` has alert rules: a call in doubt, an empty budget, a closed
//! limit.

pub(crate) mod instruments;
mod metrics;
mod names;
pub(crate) mod recorder;
pub(crate) mod spans;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use instruments::describe_metrics;
