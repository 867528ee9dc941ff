//! The words of a file: enums of the API by name.

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

use super::{
    raw::Raw,
    reader::{Read, Reader},
};
use crate::{
    backoff,
    hint::HintHeader,
    idempotency::{self, KeyCharacters, KeyFormat, KeyKind},
    route,
    service::{Service, ServiceBuilder},
    window,
};

/// Enums whose variants are words, and what each stands for.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident => $type:ty { $($(#[$word_meta:meta])* $word:ident => $value:expr,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name { $($(#[$word_meta])* $word,)* }

        impl $name {
            pub(super) fn value(self) -> $type {
                match self { $(Self::$word => $value,)* }
            }
        }

        impl Read for $name {
            fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
                let Raw::Text(word) = raw else { return at.expected("text", &raw) };
                let read: Result<Self, value::Error> = Self::deserialize(word.into_deserializer());
                read.map_or_else(|error| at.refuse(format!("is an {error}")), Some)
            }
        }
    )*};
}

words! {
    /// Which part of a wait is left to chance.
    Jitter => backoff::Jitter {
        /// 0 to 100 % of the computed wait.
        Full => backoff::Jitter::Full,
        /// 50 to 100 % of the computed wait.
        Equal => backoff::Jitter::Equal,
        /// Always the computed wait: for tests.
        None => backoff::Jitter::None,
    }

    /// What a service stores under a key, and so what the same key gets after an error.
    Kind => KeyKind {
        /// Only a success is stored; after a failure the same key executes again.
        ReplaySuccess => KeyKind::ReplaySuccess,
        /// The first executed result is stored, a 500 included.
        ReplayAll => KeyKind::ReplayAll,
        /// A header of the answer says whether the same key will execute again.
        Signalled => KeyKind::Signalled,
        /// An internal error makes the key unusable.
        Poisoned => KeyKind::Poisoned,
        /// The key is a lasting, unique attribute of what was created.
        ResourceKey => KeyKind::ResourceKey,
        /// The service documents no keys.
        None => KeyKind::None,
    }

    /// How a key is written into the header.
    Format => KeyFormat {
        /// As it is.
        Raw => KeyFormat::Raw,
        /// As a string of RFC 9651: in double quotes.
        StructuredString => KeyFormat::StructuredString,
    }

    /// Which characters a key may have.
    Characters => KeyCharacters {
        /// Visible ASCII.
        VisibleAscii => KeyCharacters::VisibleAscii,
        /// A UUID with its hyphens.
        Uuid => KeyCharacters::Uuid,
    }

    /// Whether a stored 500 is asked for once more with the same key before anything else is done.
    Probe => idempotency::Probe {
        /// Once.
        Once => idempotency::Probe::Once,
        /// Never: a 500 is known to be stored.
        Never => idempotency::Probe::Never,
    }

    /// What an answer says about the key.
    Meaning => idempotency::Meaning {
        /// An earlier request with this key is still being executed.
        InProgress => idempotency::Meaning::InProgress,
        /// The key was used before with other parameters.
        OtherParameters => idempotency::Meaning::OtherParameters,
        /// What the write would create is there already.
        AlreadyExists => idempotency::Meaning::AlreadyExists,
        /// The key has become unusable after an internal error.
        Burnt => idempotency::Meaning::Burnt,
        /// The write had no effect and must be sent with a new key.
        RotateAtOnce => idempotency::Meaning::RotateAtOnce,
    }

    /// What sending a request again does.
    Effect => route::Effect {
        /// Nothing: it only reads.
        Read => route::Effect::Read,
        /// The same end state as once.
        Idempotent => route::Effect::Idempotent,
        /// Nothing more: the service recognises the repeat by something in the body.
        Deduplicated => route::Effect::Deduplicated,
        /// It happens again. Only a key makes it repeatable.
        Write => route::Effect::Write,
    }

    /// The unit of a wait in a header.
    Unit => fn(String) -> HintHeader {
        /// Seconds or an HTTP date.
        Seconds => HintHeader::seconds,
        /// Milliseconds.
        Milliseconds => HintHeader::millis,
    }

    /// A shipped description, by the name of its service.
    Description => ServiceBuilder {
        /// Adyen.
        Adyen => Service::adyen().into_builder(),
        /// Checkout.com.
        CheckoutCom => Service::checkout_com().into_builder(),
        /// Fireblocks.
        Fireblocks => Service::fireblocks().into_builder(),
        /// The IETF's draft on the header Idempotency-Key; a base URL is needed.
        IdempotencyKeyDraft => Service::idempotency_key_draft("idempotency_key_draft"),
        /// Increase.
        Increase => Service::increase().into_builder(),
        /// Lago.
        Lago => Service::lago().into_builder(),
        /// Metronome.
        Metronome => Service::metronome().into_builder(),
        /// Modern Treasury.
        ModernTreasury => Service::modern_treasury().into_builder(),
        /// OpenAI.
        Openai => Service::openai().into_builder(),
        /// Orb.
        Orb => Service::orb().into_builder(),
        /// PayPal.
        Paypal => Service::paypal().into_builder(),
        /// Plaid.
        Plaid => Service::plaid().into_builder(),
        /// Solid.
        Solid => Service::solid().into_builder(),
        /// Square.
        Square => Service::square().into_builder(),
        /// Stripe, the paths under /v1.
        #[serde(rename = "stripe_v1")]
        StripeV1 => Service::stripe_v1().into_builder(),
        /// Stripe, the paths under /v2.
        #[serde(rename = "stripe_v2")]
        StripeV2 => Service::stripe_v2().into_builder(),
        /// Zuora.
        Zuora => Service::zuora().into_builder(),
    }
}

/// How many attempts may be in flight at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum Window {
    /// This many.
    Fixed(u32),
    /// As many as the service bears, or any number.
    Named(WindowName),
}

words! {
    /// A window that is no number.
    WindowName => window::Window {
        /// As many as the service bears, found out by what it refuses.
        Adaptive => window::Window::Adaptive,
        /// Any number.
        Off => window::Window::Off,
    }
}

impl Window {
    pub(super) fn value(self) -> window::Window {
        match self {
            Self::Fixed(places) => window::Window::Fixed(places),
            Self::Named(name) => name.value(),
        }
    }
}

impl Read for Window {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        match raw {
            Raw::Text(_) => WindowName::read(raw, at).map(Self::Named),
            Raw::Integer(_) | Raw::Float(_) => u32::read(raw, at).map(Self::Fixed),
            other => at.expected("\"adaptive\", \"off\" or a number", &other),
        }
    }
}
