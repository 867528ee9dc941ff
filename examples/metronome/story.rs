//! What is sent: a small but true billing story, and what goes wrong on its way.

use std::time::{Duration, SystemTime};

use http::Method;
use metronome_simulator::{
    Close, Fault,
    Moment::{After, Before},
    RateLimit,
};
use serde_json::{Value, json};

/// An attempt gives up after this long.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(700);

pub(crate) const CUSTOMERS: &str = "/v1/customers";
pub(crate) const CREATE_CONTRACT: &str = "/v1/contracts/create";
pub(crate) const LIST_CONTRACTS: &str = "/v2/contracts/list";
pub(crate) const EDIT: &str = "/v2/contracts/edit";
pub(crate) const ADD_ENTRY: &str = "/v1/contracts/addManualBalanceLedgerEntry";
pub(crate) const INGEST: &str = "/v1/ingest";
const CREATE_CREDIT: &str = "/v1/contracts/customerCredits/create";
const LIST_CREDITS: &str = "/v1/contracts/customerCredits/list";

/// One call of the story.
pub(crate) struct Step {
    pub(crate) label: &'static str,
    /// What happens to the attempts of the call, in words; `faults` has the same as a script.
    pub(crate) scenario: &'static str,
    pub(crate) faults: Vec<Fault>,
    pub(crate) message: fn(&Ids) -> Message,
}

/// A request before it belongs to a client.
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// What calls need to know of earlier ones.
#[derive(Default)]
pub(crate) struct Ids {
    /// Tells this run's objects from another's in the same account.
    pub(crate) run: String,
    pub(crate) customer: String,
    pub(crate) contract: String,
    credit: String,
    segment: String,
}

/// One thing that should take effect once; a batch of events holds many.
pub(crate) struct Write {
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// The story with every kind of fault. Either client makes an attempt for each fault of a call, so that none is left
/// over for the next call.
pub(crate) fn story() -> Vec<Step> {
    let step = |label, message, scenario, faults: &[Fault]| Step { label, message, scenario, faults: faults.to_vec() };
    let (broken_before, broken_after) = (Fault::stored_500(Before), Fault::stored_500(After));
    let (closed, reset) = (Fault::dropped(Close::Orderly, After), Fault::dropped(Close::Reset, After));
    let late = Fault::late(TIMEOUT + Duration::from_millis(450), Before);
    let limited = Fault::rate_limited(RateLimit::Customer, None);
    let limited_1s = Fault::rate_limited(RateLimit::Client, Some(1));
    let (before_503, before_504) = (Fault::gateway(503, Before), Fault::gateway(504, Before));
    let (after_503, after_504) = (Fault::gateway(503, After), Fault::gateway(504, After));
    let before_502 = Fault::gateway(502, Before);
    vec![
        step("create a customer", Ids::create_customer, "the connection closes after the effect", &[closed]),
        step("create a contract", Ids::create_contract, "a stored 500, after the effect", &[broken_after]),
        step("+137 seats", |ids| ids.add_seats(137, 7), "504 three times, after the effect", &[after_504; 3]),
        step("+12 seats", |ids| ids.add_seats(12, 8), "a stored 500, before the effect", &[broken_before]),
        step("create a credit", Ids::create_credit, "no fault", &[]),
        step("read its segment", Ids::list_credits, "no fault", &[]),
        step("balance +250", |ids| ids.add_entry(250, "goodwill"), "a stored 500, after the effect", &[broken_after]),
        step("balance +40", |ids| ids.add_entry(40, "referral"), "takes effect after the attempt's timeout", &[late]),
        step("balance -75", |ids| ids.add_entry(-75, "fee"), "429, then 504 after the effect", &[limited, after_504]),
        step("events 1-100", |ids| ids.ingest(0), "429 with Retry-After: 1", &[limited_1s]),
        step("events 101-200", |ids| ids.ingest(1), "502 before the effect, 503 after it", &[before_502, after_503]),
        step("events 201-300", |ids| ids.ingest(2), "the connection is reset after the effect", &[reset]),
        step("events 301-400", |ids| ids.ingest(3), "503 before the effect", &[before_503]),
        step("events 401-500", |ids| ids.ingest(4), "no fault", &[]),
        step("read the customer", Ids::read_customer, "504", &[before_504]),
        step("read the contract", Ids::read_contract, "the connection is reset", &[reset]),
        step("read what is not there", Ids::read_missing, "no fault", &[]),
    ]
}

impl Ids {
    pub(crate) fn of_run(run: impl Into<String>) -> Self {
        Self { run: run.into(), ..Self::default() }
    }

    pub(crate) fn create_customer(&self) -> Message {
        Message::post(CUSTOMERS, json!({ "name": format!("Example {}", self.run) }))
    }

    pub(crate) fn create_contract(&self) -> Message {
        let (customer, key) = (&self.customer, self.uniqueness_key());
        let body = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": key });
        Message::post(CREATE_CONTRACT, body)
    }

    /// A delta. As in many programs it has no `uniqueness_key`; what tells it from others is when it starts.
    fn add_seats(&self, delta: i64, month: u8) -> Message {
        let update = json!({ "starting_at": format!("2026-{month:02}-01T00:00:00Z"), "quantity_delta": delta });
        let updates = json!([{ "subscription_id": "seats", "quantity_updates": [update] }]);
        let (customer, contract) = (&self.customer, &self.contract);
        let body = json!({ "customer_id": customer, "contract_id": contract, "update_subscriptions": updates });
        Message::post(EDIT, body)
    }

    /// A credit with one segment. The balance entries change its balance.
    fn create_credit(&self) -> Message {
        let all =
            json!({ "amount": 0, "starting_at": "2026-01-01T00:00:00Z", "ending_before": "2036-01-01T00:00:00Z" });
        let body = json!({
            "customer_id": self.customer, "product_id": "prepaid", "priority": 1,
            "access_schedule": { "schedule_items": [all] }, "uniqueness_key": format!("credit-{}", self.run),
        });
        Message::post(CREATE_CREDIT, body)
    }

    fn list_credits(&self) -> Message {
        Message::post(LIST_CREDITS, json!({ "customer_id": self.customer, "credit_id": self.credit }))
    }

    /// A delta. As in many programs it has no `uniqueness_key`; what tells it from others is its reason.
    fn add_entry(&self, amount: i64, reason: &str) -> Message {
        let body = json!({
            "customer_id": self.customer, "id": self.credit, "segment_id": self.segment,
            "amount": amount, "reason": format!("{reason} {}", self.run),
        });
        Message::post(ADD_ENTRY, body)
    }

    /// A batch of a hundred events, each with a `transaction_id` of its own.
    fn ingest(&self, batch: usize) -> Message {
        let event = |number: usize| {
            json!({
                "transaction_id": format!("{}-{number}", self.run),
                "customer_id": self.customer,
                "event_type": "api_call",
                "timestamp": today(),
            })
        };
        Message::post(INGEST, (batch * 100..(batch + 1) * 100).map(event).collect())
    }

    pub(crate) fn list_customers(&self) -> Message {
        Message::get(format!("{CUSTOMERS}?limit=1"))
    }

    pub(crate) fn list_contracts(&self) -> Message {
        Message::post(LIST_CONTRACTS, json!({ "customer_id": self.customer }))
    }

    pub(crate) fn read_customer(&self) -> Message {
        Message::get(format!("{CUSTOMERS}/{}", self.customer))
    }

    fn read_contract(&self) -> Message {
        Message::post("/v2/contracts/get", json!({ "customer_id": self.customer, "contract_id": self.contract }))
    }

    pub(crate) fn read_missing(&self) -> Message {
        Message::get(format!("{CUSTOMERS}/00000000-0000-4000-8000-ffffffffffff"))
    }

    fn uniqueness_key(&self) -> String {
        format!("contract-{}", self.run)
    }

    /// Takes what later calls need from an answer.
    pub(crate) fn learn(&mut self, message: &Message, answer: &Value) {
        let id = |object: &Value| object["id"].as_str().map(str::to_owned);
        let (one, key) = (id(&answer["data"]), self.uniqueness_key());
        let mut many = answer["data"].as_array().into_iter().flatten();
        match message.path.as_str() {
            CREATE_CONTRACT => self.contract = one.unwrap_or_default(),
            CREATE_CREDIT => self.credit = one.unwrap_or_default(),
            LIST_CREDITS => {
                let segment = answer.pointer("/data/0/access_schedule/schedule_items/0/id").and_then(Value::as_str);
                self.segment = segment.unwrap_or_default().to_owned();
            }
            LIST_CONTRACTS => {
                let ours = many.find(|contract| contract["uniqueness_key"] == key);
                self.contract = ours.and_then(id).unwrap_or_default();
            }
            path if path.starts_with(CUSTOMERS) => {
                self.customer = one.or_else(|| many.next().and_then(id)).unwrap_or_default();
            }
            _ => {}
        }
    }
}

impl Message {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None }
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body) }
    }

    /// The writes that it asks for; none for a read.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let bodies = match &self.body {
            Some(Value::Array(events)) => events.clone(),
            Some(body) if identity(&self.path, body).is_some() => vec![body.clone()],
            _ => Vec::new(),
        };
        bodies.into_iter().map(|body| Write { path: self.path.clone(), body }).collect()
    }
}

/// What in the body of a write says which one it is; none for what is no write of the story.
pub(crate) fn identity<'a>(path: &str, body: &'a Value) -> Option<&'a Value> {
    body.pointer(match path {
        CUSTOMERS => "/name",
        CREATE_CONTRACT => "/uniqueness_key",
        EDIT => "/update_subscriptions/0/quantity_updates/0/starting_at",
        ADD_ENTRY => "/reason",
        INGEST => "/transaction_id",
        _ => return None,
    })
}

/// The service rejects events that are older than 34 days.
// The crate itself reads the clock in one file only; a program may where it likes.
#[allow(clippy::disallowed_methods)]
fn today() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
