//! How the fields of requests look in responses.

use serde_json::{Map, Value, json};

use super::data::{Kind, State};
use super::kinds::{CREDIT_TYPE, PRODUCT};
use super::values::{items, merge, number, picked, text};

/// The id of US cents in every account.
pub(super) const USD: &str = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";

pub(super) fn usd() -> Value {
    json!({ "id": USD, "name": "USD (cents)", "is_currency": true })
}

impl State {
    /// These fields of a request, as responses show them.
    pub(super) fn shown(&mut self, fields: &[&str], body: &Value) -> Value {
        let Value::Object(present) = picked(fields, body) else { return Value::Null };
        let shown: Map<_, _> = present.into_iter().map(|(field, value)| self.shown_field(field, value)).collect();
        Value::Object(shown)
    }

    fn shown_field(&mut self, field: String, value: Value) -> (String, Value) {
        let (name, value) = match field.as_str() {
            "product_id" => ("product", self.product(&value)),
            "credit_type_id" => ("credit_type", self.credit_type(&value)),
            "access_schedule" => ("access_schedule", self.access_schedule(&value)),
            "invoice_schedule" | "schedule" => (field.as_str(), self.invoice_schedule(&value)),
            "grant_amount" | "paid_amount" => {
                let credit_type = self.credit_type(&value["credit_type_id"]);
                (field.as_str(), json!({ "amount": value["amount"], "credit_type": credit_type }))
            }
            "alert_type" => ("type", value),
            "fiat_credit_type_id" => ("fiat_credit_type", self.credit_type(&value)),
            _ => (field.as_str(), value),
        };
        (name.to_owned(), value)
    }

    /// The product with this id. One that was never created has its id as its name.
    pub(super) fn product(&self, id: &Value) -> Value {
        let product = id.as_str().and_then(|id| self.object(&PRODUCT, id));
        let name = product.map_or(id, |product| &product.document["current"]["name"]);
        json!({ "id": id, "name": name })
    }

    /// Id and name of the pricing unit with this id; without an id, those of US cents.
    pub(super) fn credit_type(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap_or(USD);
        let name = self.object(&CREDIT_TYPE, id).map_or(id, |unit| text(&unit.document, "name"));
        json!({ "id": id, "name": name })
    }

    fn access_schedule(&mut self, schedule: &Value) -> Value {
        let items: Value = items(schedule, "schedule_items").map(|item| self.access_item(item)).collect();
        let mut shown =
            json!({ "credit_type": self.credit_type(&schedule["credit_type_id"]), "schedule_items": items });
        merge(&mut shown, picked(&["access_type"], schedule));
        shown
    }

    pub(super) fn access_item(&mut self, item: &Value) -> Value {
        let mut shown = json!({ "id": self.new_id() });
        merge(&mut shown, picked(&["amount", "starting_at", "ending_before"], item));
        shown
    }

    /// A recurring schedule is not spread over time.
    fn invoice_schedule(&mut self, schedule: &Value) -> Value {
        let items: Value = items(schedule, "schedule_items").map(|item| self.invoice_item(item)).collect();
        let mut shown =
            json!({ "credit_type": self.credit_type(&schedule["credit_type_id"]), "schedule_items": items });
        merge(&mut shown, picked(&["do_not_invoice"], schedule));
        shown
    }

    /// A request has either an amount, or a price and a quantity.
    fn invoice_item(&mut self, item: &Value) -> Value {
        let quantity = item["quantity"].as_f64().unwrap_or(1.0);
        let price = item["unit_price"].as_f64().unwrap_or_else(|| number(item, "amount"));
        let amount = item["amount"].as_f64().unwrap_or(price * quantity);
        json!({
            "id": self.new_id(),
            "timestamp": item["timestamp"],
            "amount": amount,
            "quantity": quantity,
            "unit_price": price,
        })
    }

    /// A new object of this kind for each item of a list in a request.
    pub(super) fn documents(&mut self, kind: &Kind, list: &Value) -> Vec<Value> {
        let items = list.as_array().into_iter().flatten();
        items
            .map(|item| {
                let id = self.new_id();
                self.document(kind, &id, item)
            })
            .collect()
    }
}
