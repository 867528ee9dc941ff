//! The history of products.

use serde_json::json;

use super::data::State;
use super::kinds::{CREATED_BY, PRODUCT, PRODUCT_STATE};
use super::values::{merge, picked};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    /// Adds an update, which takes effect at once: a repeat adds it again.
    pub(crate) fn update_product(&mut self, call: &Call) -> Outcome {
        let mut update = json!({ "created_at": self.now(), "created_by": CREATED_BY });
        merge(&mut update, picked(PRODUCT_STATE, &call.body));
        let product = &mut self.find_mut(call, &PRODUCT, "product_id")?.document;
        merge(&mut product["current"], picked(PRODUCT_STATE, &update));
        if let Some(updates) = product["updates"].as_array_mut() {
            updates.push(update);
        }
        self.record(call, &call.text("product_id"));
        Ok(Reply::data(json!({ "id": call.field("product_id") })))
    }
}
