//! The shipped services, by the names that `from` takes.

use crate::{
    service::{builder::ServiceBuilder, service::Service},
    services,
};

type Shipped = (&'static str, fn() -> ServiceBuilder);

const SHIPPED: [Shipped; 30] = [
    ("adyen", || services::adyen().into_builder()),
    ("anthropic", || services::anthropic().into_builder()),
    ("bridge", || services::bridge().into_builder()),
    ("checkout_com", || services::checkout_com().into_builder()),
    ("circle", || services::circle().into_builder()),
    ("coinbase_cdp", || services::coinbase_cdp().into_builder()),
    ("column", || services::column().into_builder()),
    ("dwolla", || services::dwolla().into_builder()),
    ("fireblocks", || services::fireblocks().into_builder()),
    // Has no address of its own: the file must give one.
    ("idempotency_key_draft", || services::idempotency_key_draft("", "")),
    ("increase", || services::increase().into_builder()),
    ("klarna", || services::klarna().into_builder()),
    ("lago", || services::lago().into_builder()),
    ("lago_deduplicated", || services::lago_deduplicated().into_builder()),
    ("metronome", || services::metronome().into_builder()),
    ("modern_treasury", || services::modern_treasury().into_builder()),
    ("mollie", || services::mollie().into_builder()),
    ("moov", || services::moov().into_builder()),
    ("openai", || services::openai().into_builder()),
    ("orb", || services::orb().into_builder()),
    ("paypal", || services::paypal().into_builder()),
    ("plaid", || services::plaid().into_builder()),
    ("resend", || services::resend().into_builder()),
    ("solid", || services::solid().into_builder()),
    ("square", || services::square().into_builder()),
    ("stripe_v1", || services::stripe::v1().into_builder()),
    ("stripe_v2", || services::stripe::v2().into_builder()),
    ("truelayer", || services::truelayer().into_builder()),
    ("worldline", || services::worldline().into_builder()),
    ("zuora", || services::zuora().into_builder()),
];

pub(super) fn names() -> [&'static str; SHIPPED.len()] {
    SHIPPED.map(|(name, _)| name)
}

/// The service that `from` names; `None` if there is none.
pub(super) fn find(name: &str) -> Option<ServiceBuilder> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, builder)| builder())
}

/// A service of which nothing is known.
pub(super) fn nothing() -> ServiceBuilder {
    Service::builder("", "")
}
