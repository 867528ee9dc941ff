//! Notifications of lifecycle events.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::NOTIFICATION;
use super::pages::{BY_CURSOR, wanted};
use super::values::{merge, picked};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    pub(crate) fn create_notification(&mut self, call: &Call) -> Outcome {
        let id = self.create_object(call, &NOTIFICATION);
        self.record(call, &id);
        self.notification(call, &id)
    }

    /// Without an id it switches a notification of the system on or off, which is only recorded.
    pub(crate) fn edit_notification(&mut self, call: &Call) -> Outcome {
        let id = call.text("id");
        if id.is_empty() {
            self.record(call, "");
            let mut shown = picked(&["policy", "is_enabled"], &call.body);
            merge(&mut shown, json!({ "type": "system_lifecycle_event" }));
            return Ok(Reply::data(shown));
        }
        let changes = picked(&["policy"], &call.body);
        merge(&mut self.find_mut(call, &NOTIFICATION, "id")?.document, changes);
        self.record(call, &id);
        self.notification(call, &id)
    }

    /// Answers with the notification, unlike the other archiving operations.
    pub(crate) fn archive_notification(&mut self, call: &Call) -> Outcome {
        self.archive(call, &NOTIFICATION, "id")?;
        self.notification(call, &call.text("id"))
    }

    pub(crate) fn get_notification(&self, call: &Call) -> Outcome {
        self.notification(call, &call.text("id"))
    }

    fn notification(&self, call: &Call, id: &str) -> Outcome {
        let found = self.object(&NOTIFICATION, id).ok_or_else(|| call.not_found(NOTIFICATION.name))?;
        Ok(Reply::data(found.document.clone()))
    }

    pub(crate) fn list_notifications(&self, call: &Call) -> Outcome {
        let is_wanted = wanted(call);
        let show = |_: &str, found: &Object| -> Value { found.document.clone() };
        BY_CURSOR.page(call, self.objects(&NOTIFICATION).filter(|(_, found)| is_wanted(found.is_archived)), show)
    }
}
