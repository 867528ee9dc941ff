//! Plans: the account has one, which customers can be put on.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{CUSTOMER, CUSTOMER_PLAN, PLAN};
use super::pages::BY_NEXT_PAGE;
use super::values::{merge, picked};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// The plan of every account.
pub(super) fn plan() -> Value {
    json!({
        "id": "00000000-0000-4000-8000-700000000001",
        "name": "Simulated plan",
        "description": "The plan of every simulated account",
        "custom_fields": {},
    })
}

impl State {
    pub(crate) fn list_plans(&self, call: &Call) -> Outcome {
        BY_NEXT_PAGE.page(call, self.objects(&PLAN), |_, plan| plan.document.clone())
    }

    pub(crate) fn get_plan(&self, call: &Call) -> Outcome {
        self.find(call, &PLAN, "plan_id").map(|plan| Reply::data(plan.document.clone()))
    }

    pub(crate) fn list_plan_customers(&self, call: &Call) -> Outcome {
        let plan = &self.find(call, &PLAN, "plan_id")?.document;
        let uses = self.objects(&CUSTOMER_PLAN).filter(|(_, used)| used.document["plan_id"] == plan["id"]);
        BY_NEXT_PAGE.page(call, uses, |id, used| {
            let mut details = picked(&["id", "name", "custom_fields"], plan);
            merge(&mut details, picked(&["starting_on", "ending_before"], &used.document));
            details["customer_plan_id"] = id.into();
            let customer = self.object(&CUSTOMER, &used.owner).map(|customer| customer.document.clone());
            json!({ "customer_details": customer, "plan_details": details })
        })
    }

    pub(crate) fn list_customer_plans(&self, call: &Call) -> Outcome {
        let customer = call.text("customer_id");
        BY_NEXT_PAGE.page(call, self.owned(&CUSTOMER_PLAN, &customer), |_, used| used.document.clone())
    }

    pub(crate) fn add_plan(&mut self, call: &Call) -> Outcome {
        let plan = self.find(call, &PLAN, "plan_id")?.document.clone();
        let id = self.new_id();
        let mut document = picked(&["starting_on", "ending_before", "net_payment_terms_days"], &call.body);
        let rest = json!({
            "id": id,
            "plan_id": plan["id"],
            "plan_name": plan["name"],
            "plan_description": plan["description"],
            "custom_fields": {},
        });
        merge(&mut document, rest);
        self.insert(&CUSTOMER_PLAN, &id, Object::new(document, &call.text("customer_id")));
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    pub(crate) fn end_plan(&mut self, call: &Call) -> Outcome {
        let now = self.now();
        let end = call.field("ending_before").as_str().map_or(now, str::to_owned);
        self.find_mut(call, &CUSTOMER_PLAN, "customer_plan_id")?.document["ending_before"] = end.into();
        self.record(call, &call.text("customer_plan_id"));
        Ok(Reply::ok(json!({})))
    }
}
