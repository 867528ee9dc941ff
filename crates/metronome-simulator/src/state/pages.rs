//! Lists that are read page by page.

use http::StatusCode;
use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::Reply;

/// How a list is paged. A cursor is the id of the last item of the page before.
pub(super) struct Pages {
    /// The field with the cursor, in requests and in responses.
    cursor: &'static str,
    default: usize,
    most: usize,
}

/// Most lists. A default is documented for balances only.
pub(super) const BY_NEXT_PAGE: Pages = Pages { cursor: "next_page", default: 25, most: 100 };

/// The lists of contracts and of notifications.
pub(super) const BY_CURSOR: Pages = Pages { cursor: "cursor", default: 20, most: 20 };

impl Pages {
    /// The page that the call asks for, of items with their ids.
    ///
    /// # Errors
    /// The 400 to answer with.
    pub(super) fn page<'a, T>(
        &self,
        call: &Call,
        mut items: impl Iterator<Item = (&'a str, T)>,
        document: impl Fn(&str, T) -> Value,
    ) -> Result<Reply, Reply> {
        let limit = self.limit(call)?;
        if let Some(cursor) = call.field(self.cursor).as_str() {
            if !items.any(|(id, _)| id == cursor) {
                return Err(bad_request(call, "Unknown cursor"));
            }
        }
        // One more than asked for shows whether there is another page.
        let mut items: Vec<_> = items.take(limit + 1).collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|(id, _)| *id);
        let data: Vec<Value> = items.into_iter().map(|(id, item)| document(id, item)).collect();
        Ok(Reply::ok(json!({ "data": data, (self.cursor): next })))
    }

    fn limit(&self, call: &Call) -> Result<usize, Reply> {
        let given = match call.field("limit") {
            Value::Null => return Ok(self.default),
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        };
        let invalid = || bad_request(call, &format!("limit must be an integer from 1 to {}", self.most));
        given.filter(|limit| (1..=self.most).contains(limit)).ok_or_else(invalid)
    }
}

/// Whether a list shows an object that is archived, or one that is not. By default it shows those that are not.
pub(super) fn wanted(call: &Call) -> impl Fn(bool) -> bool + use<> {
    let is_set = |field: &str| matches!(call.field(field), Value::Bool(true)) || call.text(field) == "true";
    let filter = call.text("archive_filter");
    let only = is_set("only_archived") || filter == "ARCHIVED";
    let all = is_set("include_archived") || filter == "ALL";
    move |is_archived| all || is_archived == only
}

fn bad_request(call: &Call, message: &str) -> Reply {
    call.rejection(StatusCode::BAD_REQUEST, message)
}
