//! What a file may have: tables whose names are those of the setters, and from which the schema is generated.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    raw::Raw,
    reader::{Read, Reader, Table},
    values::{Method, Share, Span, Status, Statuses, Text},
    words::{Characters, Description, Effect, Format, Jitter, Kind, Meaning, Probe, Unit, Window},
};

/// Tables of which the fields before the semicolon must be there.
macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident {
        $($(#[$need_meta:meta])* $need:ident: $need_type:ty,)*;
        $($(#[$may_meta:meta])* $may:ident: $may_type:ty,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$need_meta])* pub(super) $need: $need_type,)*
            $($(#[$may_meta])* #[serde(skip_serializing_if = "Option::is_none")] pub(super) $may: Option<$may_type>,)*
        }

        impl Read for $name {
            fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
                let mut table = Table::open(raw, at)?;
                $(let $need = table.need(stringify!($need));)*
                $(let $may = table.take(stringify!($may));)*
                table.close();
                Some(Self { $($need: $need?,)* $($may,)* })
            }
        }
    )*};
}

tables! {
    /// A service of the layer.
    #[derive(Default)]
    ServiceTable {;
        /// The shipped description to start from; what is given here besides it replaces what it says.
        from: Description,
        /// Scheme, host, port and path that all requests of the service have in common; no user information, no query.
        base_url: Text,
        /// How many attempts may be in flight at once: "adaptive" (the default), "off", or a number.
        window: Window,
        /// The statuses that the service documents as worth another attempt.
        retryable: Statuses,
        /// The header in which the service says whether to send a request again.
        retry_signal: SignalTable,
        /// How often and how long.
        retry: RetryTable,
        /// How the service handles idempotency keys.
        idempotency: IdempotencyTable,
        /// How the service says that callers should slow down.
        rate_limiting: RateLimitingTable,
        /// Where the parts of an error stand in the service's answers.
        error_format: ErrorFormatTable,
        /// What repeating an operation does, where its method does not tell. A route of the description with the same
        /// method and path is replaced, the others stay.
        routes: Vec<RouteTable>,
    }

    /// How often a call is attempted, how long it waits in between and in all.
    #[derive(Default)]
    RetryTable {;
        /// How often a call is sent at most, the first time included; 3 unless set.
        max_attempts: u32,
        /// The waits after a failure; from 500ms to 8s with full jitter unless set.
        transient: BackoffTable,
        /// The waits after a 429; from 1s to 20s with equal jitter unless set.
        throttled: BackoffTable,
        /// The longest wait that a server may ask for; 60s unless set.
        hint_cap: Span,
        /// What is added to a server's hint at most; a tenth, up to 1s, unless set.
        hint_jitter: HintJitterTable,
        /// The time for the whole call; 120s unless set.
        deadline: Span,
        /// How many tokens the service's budget holds; 500 unless set.
        budget: u32,
        /// What a repeat takes out of the budget.
        retry_costs: CostsTable,
        /// The statuses that may be retried, in place of the service's own set.
        retry_on: Statuses,
        /// How long one question to the verifier may take; 10s unless set.
        verify_timeout: Span,
        /// How many bytes of an error's body are read; 65536 unless set.
        max_error_body: u32,
        /// How long reading an error's body may take; 2s unless set.
        error_body_timeout: Span,
        /// Request bodies that are streams of at most this many bytes are read into memory, so that they can be sent
        /// again; 0 unless set.
        buffer_bodies: u32,
    }

    /// Waits that double.
    #[derive(Default)]
    BackoffTable {;
        /// The first wait.
        base: Span,
        /// The longest wait.
        cap: Span,
        /// Which part of a wait is left to chance.
        jitter: Jitter,
    }

    /// What is added to a server's hint at most.
    #[derive(Default)]
    HintJitterTable {;
        /// A share of the hint, from 0 to 1; 0.1 unless set.
        share: Share,
        /// And no more than this; 1s unless set.
        cap: Span,
    }

    /// What a repeat takes out of the budget.
    #[derive(Default)]
    CostsTable {;
        /// After a failure; 14 unless set.
        transient: u32,
        /// After a 429; 5 unless set.
        throttled: u32,
    }

    /// How a service handles idempotency keys.
    #[derive(Default)]
    IdempotencyTable {;
        /// The header that carries the key.
        header: Text,
        /// The member of the request's JSON body that carries the key, as a pointer (RFC 6901).
        body_member: Text,
        /// What the service stores under a key.
        kind: Kind,
        /// The methods that the service keys; POST unless set.
        keyed: Vec<Method>,
        /// How a key is written into the header; "raw" unless set.
        format: Format,
        /// Which characters a key may have; "visible_ascii" unless set.
        characters: Characters,
        /// How many characters a key may have; 255 unless set.
        max_length: u32,
        /// How long a result is kept under its key.
        retention: Span,
        /// Whether only a key that the caller gives is sent; false unless set.
        callers_keys_only: bool,
        /// Whether the same key is tried once more after a 500; for the kind "replay_all" only.
        probe: Probe,
        /// What a status means for the key, in the order in which the rules are tried; in place of the description's.
        conflicts: Vec<ConflictTable>,
        /// The header that says whether the same key may be sent again after an error.
        transient_signal: SignalTable,
        /// The header that says that an answer is a stored one, repeated.
        replay_marker: SignalTable,
    }

    /// What a status means for the key.
    ConflictTable {
        /// The status.
        status: Status,
        /// What it means.
        meaning: Meaning,;
        /// Only where the body's code, type, name or message has this text.
        text: Text,
    }

    /// How a service says that callers should slow down.
    #[derive(Default)]
    RateLimitingTable {;
        /// The headers with a wait in them: the first that is present decides; "retry-after" unless set.
        hints: Vec<HintTable>,
        /// Whether the header `RateLimit` is passed over; false unless set.
        ignore_rate_limit_header: bool,
        /// The header that names whose limit was met.
        scope_header: Text,
        /// Whether a 429 may come after the request was executed; false unless set.
        limiter_follows_execution: bool,
    }

    /// Where the parts of an error stand: JSON pointers (RFC 6901) of which the first that is there counts.
    #[derive(Default)]
    ErrorFormatTable {;
        /// The message.
        message: Vec<Text>,
        /// The code.
        code: Vec<Text>,
        /// The type or name.
        error_type: Vec<Text>,
        /// The headers that carry the request id.
        request_id_headers: Vec<Text>,
        /// The request id in the body.
        request_id: Vec<Text>,
    }

    /// What repeating an operation does.
    RouteTable {
        /// The method.
        method: Method,
        /// The path after the base URL; "{name}" stands for one segment, "{*name}" for all the rest.
        path: Text,
        /// What sending the request again does.
        effect: Effect,;
        /// A repeat does nothing more where the body has something at this pointer (RFC 6901).
        deduplicated_by: Text,
        /// Whether the operation is keyed where its method is; true unless set.
        keyed: bool,
    }
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Where an editor finds the schema; nothing else looks at it.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    /// The services by name.
    pub(super) services: BTreeMap<String, ServiceTable>,
}

impl Read for File {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let mut table = Table::open(raw, at)?;
        let file = Self { schema: table.take("$schema"), services: table.need("services").unwrap_or_default() };
        table.close();
        Some(file)
    }
}

/// Defines a type that is text where its table would have nothing but the header.
macro_rules! header_or_table {
    ($($(#[$meta:meta])* $name:ident, $full:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        tables! {
            $(#[$meta])*
            $full {
                /// The header.
                header: Text,;
                $($(#[$field_meta])* $field: $type,)*
            }
        }

        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(untagged)]
        pub(super) enum $name {
            /// The name of the header alone.
            Header(Text),
            /// The header and how it is read.
            Full($full),
        }

        impl Read for $name {
            fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
                match raw {
                    Raw::Text(header) => Some(Self::Header(header)),
                    Raw::Map(_) => match $full::read(raw, at)? {
                        $full { header, $($field: None,)* } => Some(Self::Header(header)),
                        full => Some(Self::Full(full)),
                    },
                    other => at.expected("a header's name or a table", &other),
                }
            }
        }
    )*};
}

header_or_table! {
    /// A header whose value says yes or no.
    SignalTable, FullSignal {
        /// The value for yes; "true" unless set.
        yes: Text,
        /// The value for no; "false" unless set.
        no: Text,
    }

    /// A header with a wait in it.
    HintTable, FullHint {
        /// The unit; "seconds" unless set.
        unit: Unit,
    }
}
