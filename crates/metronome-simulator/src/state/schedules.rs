//! Named schedules: of customers, contracts and rate cards.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{NAMED_SCHEDULE, RATE_CARD};
use super::pages::BY_NEXT_PAGE;
use super::values::picked;
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    /// A name without a schedule has no segments.
    pub(crate) fn get_schedule(&self, call: &Call) -> Outcome {
        let (_, id) = self.schedule_id(call)?;
        let schedule = self.object(&NAMED_SCHEDULE, &id);
        Ok(Reply::data(schedule.map_or_else(|| json!([]), |schedule| schedule.document["segments"].clone())))
    }

    /// A segment with the same start replaces the one before.
    pub(crate) fn update_schedule(&mut self, call: &Call) -> Outcome {
        let (owner, id) = self.schedule_id(call)?;
        let segment = picked(&["starting_at", "ending_before", "value"], &call.body);
        let old = self.object(&NAMED_SCHEDULE, &id).map(|schedule| schedule.document["segments"].clone());
        let mut segments = old.unwrap_or_else(|| json!([]));
        if let Value::Array(segments) = &mut segments {
            segments.retain(|old| old["starting_at"] != segment["starting_at"]);
            segments.push(segment);
        }
        let document = json!({
            "contract_id": call.field("contract_id"),
            "schedule_name": call.field("schedule_name"),
            "segments": segments,
        });
        self.insert(&NAMED_SCHEDULE, &id, Object::new(document, &owner));
        self.record(call, &id);
        Ok(Reply::empty())
    }

    /// The schedules of the customer's contracts.
    pub(crate) fn list_schedules(&self, call: &Call) -> Outcome {
        let customer = call.text("customer_id");
        let of_contracts = |schedule: &Object| schedule.document["contract_id"].is_string();
        let all = self.owned(&NAMED_SCHEDULE, &customer).filter(|(_, schedule)| of_contracts(schedule));
        BY_NEXT_PAGE.page(call, all, |_, schedule| schedule.document.clone())
    }

    /// The owner and the id of the schedule that the call names.
    fn schedule_id(&self, call: &Call) -> Result<(String, String), Reply> {
        if call.route.path.contains("/rate-cards/") {
            self.find(call, &RATE_CARD, "rate_card_id")?;
        }
        let owner = ["customer_id", "rate_card_id"].map(|field| call.text(field)).concat();
        if owner.is_empty() {
            return Err(call.rejection(StatusCode::BAD_REQUEST, "customer_id is required"));
        }
        let id = format!("{owner}/{}/{}", call.text("contract_id"), call.text("schedule_name"));
        Ok((owner, id))
    }
}
