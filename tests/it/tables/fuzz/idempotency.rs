//! Rules about keys.

use proptest::prelude::*;
use reqwest_safe_retry::{Idempotency, KeyCharacters, KeyFormat, KeyKind, Meaning, Probe, ResponseRule};

use super::texts::{boolean_headers, durations, given_methods, names, pointers, statuses};

/// The service's place for keys, if it has one.
#[derive(Clone, Debug)]
enum Place {
    Header(String),
    Body(String),
    Query(String),
    Nowhere,
}

fn places() -> BoxedStrategy<Place> {
    prop_oneof![
        4 => names().prop_map(Place::Header),
        1 => pointers().prop_map(Place::Body),
        1 => names().prop_map(Place::Query),
        1 => Just(Place::Nowhere),
    ]
    .boxed()
}

fn kinds() -> impl Strategy<Value = KeyKind> {
    prop::sample::select(vec![
        KeyKind::ReplaySuccess,
        KeyKind::ReplayAll,
        KeyKind::Signalled,
        KeyKind::InvalidatedByError,
        KeyKind::ResourceKey,
        KeyKind::Unsupported,
    ])
}

prop_compose! {
    /// Place, kind, methods, and what becomes of a key between attempts.
    fn bare()(
        place in places(),
        kind in kinds(),
        methods in prop::collection::vec(given_methods(), 1..3),
        no_methods in prop::bool::weighted(0.05),
        probe in prop::option::weighted(0.2, any::<bool>()),
        transient in prop::option::of(boolean_headers()),
        replay in prop::option::of(boolean_headers()),
    ) -> Idempotency {
        let mut keys = match place {
            Place::Header(name) => Idempotency::header(name, kind),
            Place::Body(pointer) => Idempotency::body_member(pointer, kind),
            Place::Query(name) => Idempotency::query(name, kind),
            Place::Nowhere => Idempotency::none(),
        };
        keys = keys.methods(if no_methods { Vec::new() } else { methods });
        if let Some(once) = probe {
            keys = keys.probe(if once { Probe::Once } else { Probe::Never });
        }
        if let Some(header) = transient {
            keys = keys.transient_header(header);
        }
        if let Some(header) = replay {
            keys = keys.replay_header(header);
        }
        keys
    }
}

pub(super) fn responses() -> BoxedStrategy<Vec<ResponseRule>> {
    let meanings = prop::sample::select(vec![
        Meaning::InProgress,
        Meaning::PayloadMismatch,
        Meaning::AlreadyExists,
        Meaning::KeyInvalidated,
        Meaning::NotApplied,
        Meaning::Throttled,
        Meaning::Unavailable,
        Meaning::Final,
    ]);
    let rule =
        (statuses(), prop::option::of(names()), prop::option::of(pointers()), prop::option::of(names()), meanings);
    let rule = rule.prop_map(|(status, text, at, header, meaning)| {
        let mut rule = ResponseRule::new(status, meaning);
        rule.text = text.map(Into::into);
        rule.at = at.map(Into::into);
        rule.header = header.map(Into::into);
        rule
    });
    prop::collection::vec(rule, 0..3).boxed()
}

prop_compose! {
    pub(super) fn idempotencies()(
        mut keys in bare(),
        structured in any::<bool>(),
        uuids in any::<bool>(),
        max_length in prop_oneof![6 => 36..300_usize, 1 => any::<usize>()],
        retention in prop::option::of(durations()),
        callers_keys_only in prop::option::of(any::<bool>()),
        replay_status in prop::option::weighted(0.1, statuses()),
    ) -> Idempotency {
        keys = keys
            .format(if structured { KeyFormat::StructuredString } else { KeyFormat::Raw })
            .characters(if uuids { KeyCharacters::Uuid } else { KeyCharacters::VisibleAscii })
            .max_length(max_length);
        if let Some(retention) = retention {
            keys = keys.retention(retention);
        }
        if let Some(status) = replay_status {
            keys = keys.replay_status(status);
        }
        match callers_keys_only {
            Some(true) => keys = keys.callers_keys_only(),
            Some(false) => keys = keys.write_into_body(),
            None => {}
        }
        keys
    }
}
