//! The shipped services: each a description by data, with the page that every rule comes from, and the vendor's error
//! bodies beside it.
//!
//! ```
//! use reqwest_safe_retry::{SafeRetry, services};
//!
//! let layer = SafeRetry::new([services::metronome(), services::stripe::v1(), services::stripe::v2()]);
//! assert_eq!(layer.services()[1].name(), "stripe_v1");
//! ```
//!
//! Base URLs and everything else can be changed with [`Service::at`](crate::Service::at) and
//! [`Service::into_builder`](crate::Service::into_builder).

pub mod adyen;
mod anthropic;
mod bridge;
mod checkout_com;
mod circle;
mod coinbase_cdp;
mod column;
mod draft;
mod dwolla;
mod fireblocks;
mod increase;
mod klarna;
mod lago;
mod lenient;
mod metronome;
mod modern_treasury;
mod mollie;
mod moov;
mod openai;
mod orb;
pub mod paypal;
mod plaid;
pub mod problem;
mod resend;
mod solid;
mod square;
pub mod stripe;
mod truelayer;
mod worldline;
mod zuora;

pub use adyen::adyen;
pub use anthropic::anthropic;
pub use bridge::bridge;
pub use checkout_com::checkout_com;
pub use circle::circle;
pub use coinbase_cdp::coinbase_cdp;
pub use column::column;
pub use draft::idempotency_key_draft;
pub use dwolla::dwolla;
pub use fireblocks::fireblocks;
pub use increase::increase;
pub use klarna::klarna;
pub use lago::{lago, lago_deduplicated};
pub use metronome::metronome;
pub use modern_treasury::modern_treasury;
pub use mollie::mollie;
pub use moov::moov;
pub use openai::openai;
pub use orb::orb;
pub use paypal::paypal;
pub use plaid::plaid;
pub use resend::resend;
pub use solid::solid;
pub use square::square;
pub use truelayer::truelayer;
pub use worldline::worldline;
pub use zuora::zuora;
