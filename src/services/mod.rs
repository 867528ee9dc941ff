//! The descriptions that ship with the crate: data, each rule with the page it comes from.

pub(crate) mod adyen;
mod checkout_com;
mod draft;
mod fireblocks;
mod increase;
mod lago;
mod metronome;
mod modern_treasury;
mod openai;
mod orb;
pub(crate) mod paypal;
mod plaid;
pub(crate) mod problem;
mod solid;
mod square;
pub(crate) mod stripe;
mod zuora;
