//! What a service may respond: headers and bodies.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::MOST;

/// In the order in which they are looked at.
pub(super) const HINTS: [&str; 3] = ["retry-after-ms", "x-retry-after", "retry-after"];

/// Numbers, dates, items of `RateLimit`, what is nearly one of them, and anything at all.
fn header_values() -> impl Strategy<Value = Vec<u8>> {
    let dates = (0..4_102_444_800_u64)
        .prop_map(|seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
    let text = prop_oneof![
        4 => "[ \t]?[0-9]{1,25}[ ,;.a-z]?",
        2 => "-?[0-9]{1,5}(\\.[0-9]{1,25})?(e[0-9]{1,4})?",
        2 => dates,
        2 => "(Mon|Sunday|Foo), [0-9]{1,3}[ -](Jan|Feb|Bar)[ -][0-9]{1,5} [0-9]{1,2}:[0-9]{2}:[0-9]{2}( GMT)?",
        1 => "Sun Nov [ 0-9][0-9] 08:49:37 [0-9]{4}",
        3 => "\"[a-z]{0,5}\";r=-?[0-9]{1,20};t=[0-9]{1,20}(, ?\"[a-z]{1,3}\";t=[0-9.]{1,5};r=0)?",
        2 => "[\"\\\\;=,:?() a-z0-9]{0,40}",
    ];
    prop_oneof![4 => text.prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

pub(super) fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = prop::sample::select(
        [&HINTS[..], &["ratelimit", "ratelimit-policy", "date", "x-scope", "x-should-retry", "x-request-id"]].concat(),
    );
    prop::collection::vec((names, header_values()), 0..5)
}

fn json() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\"[ -~]{0,20}\"",
        "\"\\\\u[0-9a-f]{4}[^\u{0}]{0,9}\"",
        "[0-9]{1,400}",
    ];
    let members =
        prop::sample::select(vec!["message", "code", "error", "type", "detail", "", "a", "0", "~1", "\\ud800"]);
    leaf.prop_recursive(5, 20, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((members.clone(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(" ,"))
            }),
        ]
    })
}

/// JSON, what is nearly JSON, and anything at all; short and long.
pub(super) fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let deep = (prop::sample::select(vec!["[", "{\"message\":", "{\"error\":{\"a\":[", "\""]), 0..30_000_usize)
        .prop_map(|(part, times)| part.repeat(times));
    let truncated = (json(), any::<prop::sample::Index>()).prop_map(|(json, at)| {
        let at = at.index(json.len());
        json.as_bytes()[..at].to_vec()
    });
    let long = (any::<u8>(), MOST - 2..MOST + 3).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![
        4 => json().prop_map(String::into_bytes),
        2 => truncated,
        2 => deep.prop_map(String::into_bytes),
        1 => long,
        2 => prop::collection::vec(any::<u8>(), 0..2_000),
    ]
}
