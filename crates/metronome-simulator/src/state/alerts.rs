//! Alerts as customers see them. Nothing sets one off.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::ALERT;
use super::pages::{BY_NEXT_PAGE, wanted};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    pub(crate) fn get_alert(&self, call: &Call) -> Outcome {
        self.find(call, &ALERT, "alert_id").map(|alert| Reply::data(status(alert)))
    }

    pub(crate) fn list_alerts(&self, call: &Call) -> Outcome {
        let (is_wanted, customer) = (wanted(call), call.text("customer_id"));
        let is_theirs = |alert: &Object| alert.owner.is_empty() || alert.owner == customer;
        let alerts = self.objects(&ALERT).filter(|(_, alert)| is_theirs(alert) && is_wanted(alert.is_archived));
        BY_NEXT_PAGE.page(call, alerts, |_, alert| status(alert))
    }
}

fn status(alert: &Object) -> Value {
    let status = if alert.is_archived { Value::Null } else { "ok".into() };
    json!({ "alert": alert.document, "customer_status": status })
}
