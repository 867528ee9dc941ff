//! The rates of rate cards.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{CONTRACT, RATE, RATE_CARD};
use super::pages::BY_NEXT_PAGE;
use super::values::{items, merge, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// What makes the price.
const PRICE: &[&str] = &[
    "rate_type",
    "price",
    "quantity",
    "is_prorated",
    "tiers",
    "custom_rate",
    "pricing_group_values",
    "credit_type_id",
];

impl State {
    /// Answers with the rate.
    pub(crate) fn add_rate(&mut self, call: &Call) -> Outcome {
        self.find(call, &RATE_CARD, "rate_card_id")?;
        let rate = self.put_rate(&call.text("rate_card_id"), &call.body);
        self.record(call, &call.text("rate_card_id"));
        Ok(Reply::data(rate))
    }

    pub(crate) fn add_rates(&mut self, call: &Call) -> Outcome {
        self.find(call, &RATE_CARD, "rate_card_id")?;
        for rate in items(&call.body, "rates") {
            self.put_rate(&call.text("rate_card_id"), rate);
        }
        self.record(call, &call.text("rate_card_id"));
        Ok(Reply::data(json!({ "id": call.field("rate_card_id") })))
    }

    /// A rate of the same card, product and start replaces the one before.
    fn put_rate(&mut self, card: &str, given: &Value) -> Value {
        let rate = self.shown(PRICE, given);
        let mut document = picked(&["product_id", "starting_at", "ending_before", "entitled"], given);
        merge(&mut document, picked(&["pricing_group_values", "billing_frequency", "commit_rate"], given));
        let product = self.product(&given["product_id"]);
        let rest = json!({
            "product_name": product["name"],
            "product_custom_fields": {},
            "product_tags": [],
            "rate": rate,
        });
        merge(&mut document, rest);
        let groups = &given["pricing_group_values"];
        let id = format!("{card}/{}/{}/{groups}", text(given, "product_id"), text(given, "starting_at"));
        self.insert(&RATE, &id, Object::new(document, card));
        rate
    }

    pub(crate) fn list_rates(&self, call: &Call) -> Outcome {
        self.find(call, &RATE_CARD, "rate_card_id")?;
        let card = call.text("rate_card_id");
        BY_NEXT_PAGE.page(call, self.owned(&RATE, &card), |_, rate| rate.document.clone())
    }

    /// The rates of the contract's rate card, without overrides.
    pub(crate) fn contract_rates(&self, call: &Call) -> Outcome {
        let contract = &self.find(call, &CONTRACT, "contract_id")?.document;
        let card = text(contract, "rate_card_id");
        BY_NEXT_PAGE.page(call, self.owned(&RATE, card), |_, rate| {
            let mut shown = json!({ "rate_card_id": card, "list_rate": rate.document["rate"] });
            merge(&mut shown, rate.document.clone());
            if let Value::Object(fields) = &mut shown {
                fields.remove("rate");
            }
            shown
        })
    }
}
