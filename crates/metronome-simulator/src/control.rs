//! Requests to the simulator itself, under `/_simulator/`. They need no token and meet no faults.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::faults::Faults;
use crate::gateway::Gateway;
use crate::ledger::Entry;
use crate::received::Received;
use crate::reply::Reply;
use crate::request::IncomingRequest;
use crate::runtime::rfc_3339;
use crate::script::Script;

const PREFIX: &str = "/_simulator/";

type Outcome = Result<Reply, String>;

impl Gateway {
    /// The response to a request to the simulator itself; `None` if it is one to the API.
    pub(crate) async fn control(&self, request: &IncomingRequest) -> Option<Reply> {
        let name = request.path().strip_prefix(PREFIX)?;
        let outcome = match (request.method().as_str(), name) {
            ("GET", "ledger") => Ok(Reply::ok(self.application().ledger().entries().iter().map(entry).collect())),
            ("GET", "requests") => {
                Ok(Reply::ok(self.with_schedule(|schedule| schedule.received()).iter().map(received).collect()))
            }
            ("POST", "settle") => {
                self.application().settle().await;
                Ok(Reply::empty())
            }
            _ => self.change(request.method(), name, request.body_text()),
        };
        Some(outcome.unwrap_or_else(|message| Reply::message(StatusCode::BAD_REQUEST, &message)))
    }

    fn change(&self, method: &Method, name: &str, body: &str) -> Outcome {
        match (method.as_str(), name) {
            ("POST", "script") => {
                let script: Script = body.parse().map_err(in_words)?;
                self.with_schedule(|schedule| schedule.script(script));
            }
            ("POST", "faults") => {
                let faults = faults(&serde_json::from_str(body).map_err(in_words)?)?;
                self.with_schedule(|schedule| schedule.inject(faults));
            }
            ("DELETE", "faults") => self.with_schedule(|schedule| schedule.clear()),
            ("POST", "restart") => self.application().restart(),
            ("POST", "prune-keys") => self.application().prune_keys(),
            ("POST", "key-retention") => self.application().retain_keys_for(duration(body)?),
            ("POST", "list-lag") => self.application().set_list_lag(duration(body)?),
            _ => return Ok(Reply::message(StatusCode::NOT_FOUND, "Not Found")),
        }
        Ok(Reply::empty())
    }
}

fn in_words(error: impl std::error::Error) -> String {
    error.to_string()
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(in_words)
}

/// The faults that an object describes.
fn faults(body: &Value) -> Result<Faults, String> {
    const FIELDS: [&str; 7] =
        ["seed", "percent", "kinds", "only_writes", "drawn_by_header", "sparing_headers", "sparing_paths"];
    let fields = body.as_object().ok_or("expected an object")?;
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(format!("unknown field `{unknown}`; expected one of {}", FIELDS.join(", ")));
    }
    let percent = match &body["percent"] {
        Value::Null => 20.0,
        given => {
            let given = given.as_f64().filter(|percent| (0.0..=100.0).contains(percent));
            given.ok_or("percent: expected a number from 0 to 100")?
        }
    };
    let mut faults = Faults::seeded(body["seed"].as_u64().unwrap_or_default()).rate(percent / 100.0);
    if !body["kinds"].is_null() {
        let kinds: Result<Vec<Fault>, _> = texts(body, "kinds")?.iter().map(|kind| kind.parse()).collect();
        faults = faults.kinds(kinds.map_err(|error| format!("kinds: {error}"))?);
    }
    if body["only_writes"] == true {
        faults = faults.only_writes();
    }
    if let Some(header) = body["drawn_by_header"].as_str() {
        faults = faults.drawn_by_header(header);
    }
    faults = texts(body, "sparing_headers")?.into_iter().fold(faults, Faults::sparing_header);
    Ok(texts(body, "sparing_paths")?.into_iter().fold(faults, Faults::sparing_path))
}

/// A field that is a list of strings; empty if it is missing.
fn texts(body: &Value, field: &str) -> Result<Vec<String>, String> {
    let invalid = || format!("{field}: expected a list of strings");
    match &body[field] {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(invalid)).collect(),
        _ => Err(invalid()),
    }
}

fn entry(entry: &Entry) -> Value {
    json!({
        "path": entry.path,
        "id": entry.id,
        "body": entry.body,
        "idempotency_key": entry.idempotency_key,
        "uniqueness_key": entry.uniqueness_key,
        "partial": entry.partial,
        "time": rfc_3339(entry.time),
    })
}

fn received(received: &Received) -> Value {
    json!({
        "method": received.method.as_str(),
        "path": received.path,
        "idempotency_key": received.idempotency_key,
        "fault": received.fault.map(|fault| fault.to_string()),
    })
}
