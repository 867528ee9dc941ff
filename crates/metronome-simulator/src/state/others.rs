//! Reads without objects of their own.

use serde_json::json;

use super::data::State;
use super::pages::BY_NEXT_PAGE;
use crate::call::Call;
use crate::reply::{Outcome, Reply};
use crate::runtime::rfc_3339;

impl State {
    /// The ledger, without the events.
    pub(crate) fn list_audit_logs(&self, call: &Call) -> Outcome {
        let writes = self.ledger.entries().iter().filter(|entry| entry.path != "/v1/ingest");
        let writes: Vec<_> = writes.enumerate().map(|(place, entry)| (format!("{place:012}"), entry)).collect();
        let writes = writes.iter().map(|(place, entry)| (place.as_str(), *entry));
        BY_NEXT_PAGE.page(call, writes, |place, entry| {
            json!({
                "id": place,
                "request": { "id": place },
                "timestamp": rfc_3339(entry.time),
                "action": entry.path,
                "resource_id": entry.id,
                "status": "success",
            })
        })
    }

    pub(crate) fn list_services(&self, _: &Call) -> Outcome {
        let service = json!({ "name": "simulator", "ips": ["127.0.0.1"], "usage": "accepts_connections_at" });
        Ok(Reply::ok(json!({ "services": [service] })))
    }

    pub(crate) fn dashboard_url(&self, call: &Call) -> Outcome {
        let url = format!("https://embed.metronome.test/{}/{}", call.text("dashboard"), call.text("customer_id"));
        Ok(Reply::data(json!({ "url": url })))
    }

    /// Events make no invoices.
    pub(crate) fn preview_events(&self, _: &Call) -> Outcome {
        Ok(Reply::data(json!([])))
    }
}
