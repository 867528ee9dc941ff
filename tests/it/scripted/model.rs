//! Every short story of one call, against a model of the service that keeps a ledger.
//!
//! The real middleware stands in front of a pure model of what each kind of key handling documents. The world decides
//! what becomes of each attempt, in every sequence of up to four outcomes; afterwards the weather is good. At the end
//! the ledger must agree with what the caller was told, also once everything still under way has arrived.
//!
//! Stories are followed once where nothing tells them apart: neither what the layer has seen so far nor the state of the
//! service. A refusal is then seen like an attempt that was never sent, and a gateway's error like a lost answer where
//! no header of the answer counts. Every outcome is still played after every such state, so that what is merged is the
//! past alone; of two pasts that are merged the call must end alike. The last outcome is played once for those that are
//! seen alike and leave the service alike. A write that needs no verdict asks at its end alone, and being slow is one
//! way of not telling: there one outcome less is played. `MODEL_DEPTH` asks for other lengths, 5 for all stories in full.

use std::{
    collections::HashMap,
    fmt::{self, Debug},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Doubt, Effect, Error, Idempotency, KeyKind, Meaning, RetryPolicy, Route, SafeRetry, Service, Stop,
    Verdict, Verifier,
};

use crate::support::{
    clock::Pinned,
    faults::{self, Fault},
    transport::unused,
};

const URL: &str = "https://model.test/write";
const ATTEMPTS: u32 = 5;

/// How the service handles keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// A success is stored. After a 500 the same key executes again; an effect that the broken execution has left
    /// behind is recognised by it and completed, never repeated.
    ReplaySuccess,
    /// The first executed result is stored, a 500 with or without the effect included. What was refused before it
    /// was executed, and a clash with a running execution, are not stored. The clash is a 409 of no known meaning.
    ReplayAll,
    /// As `ReplayAll`, with a header that marks what is repeated, and a clash that says what it is.
    ReplayAllMarked,
    /// A header says whether the same key executes again. Where it does, the broken execution has left nothing behind;
    /// where it does not, the result is stored. A gateway does not know of the header.
    Signalled,
    /// As `ReplayAll`, but after a 500 the key is answered with a 400 that calls it unusable. A lost lock (409) says that
    /// nothing took effect and that a new key is needed; it is stored.
    Poisoned,
    /// The key is a unique attribute of what is created: while that exists, each repeat is a 409 that says so.
    ResourceKey,
    None,
}

impl Keys {
    const ALL: [Self; 7] = [
        Self::ReplaySuccess,
        Self::ReplayAll,
        Self::ReplayAllMarked,
        Self::Signalled,
        Self::Poisoned,
        Self::ResourceKey,
        Self::None,
    ];

    fn description(self) -> Idempotency {
        let header = |kind| Idempotency::header("Idempotency-Key", kind);
        let clash = |keys: Idempotency| keys.conflict_saying(409, "still running", Meaning::InProgress);
        let keys = match self {
            Self::ReplaySuccess => clash(header(KeyKind::ReplaySuccess)),
            Self::ReplayAll => header(KeyKind::ReplayAll),
            Self::ReplayAllMarked => clash(header(KeyKind::ReplayAll)).replay_marker("replayed"),
            Self::Signalled => clash(header(KeyKind::Signalled)).transient_signal("transient"),
            Self::Poisoned => clash(header(KeyKind::Poisoned))
                .conflict_saying(400, "unusable key", Meaning::Burnt)
                .conflict_saying(409, "lost lock", Meaning::RotateAtOnce),
            Self::ResourceKey => clash(header(KeyKind::ResourceKey)),
            Self::None => Idempotency::none(),
        };
        keys.conflict_saying(409, "already exists", Meaning::AlreadyExists)
    }

    /// Results other than successes are stored.
    fn stores_everything(self) -> bool {
        matches!(self, Self::ReplayAll | Self::ReplayAllMarked | Self::Signalled | Self::Poisoned)
    }
}

/// What the write does when it is executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// There is no write.
    Nothing,
    /// The same end state, which counts once.
    SameState,
    /// It is recognised and answered like the first time.
    Recognised,
    /// It is recognised by its body and refused with a 409 that says so.
    Refused,
    /// As `Refused`, but only once an execution has come to its end: a broken one leaves its effect unguarded.
    RefusedUnlessHalfDone,
    /// It happens again.
    Doubles,
}

impl Repeat {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::SameState, Self::Recognised, Self::Refused, Self::RefusedUnlessHalfDone, Self::Doubles];

    fn route(self) -> Route {
        let route = |effect| Route::new(Method::POST, "/write", effect);
        match self {
            Self::Nothing => route(Effect::Read),
            Self::SameState => route(Effect::Idempotent),
            Self::Recognised => route(Effect::Deduplicated),
            Self::Refused => route(Effect::Write).deduplicated_by("/id"),
            Self::RefusedUnlessHalfDone => route(Effect::Write).deduplicated_unless_half_done_by("/id"),
            Self::Doubles => route(Effect::Write),
        }
    }

    fn is_refused(self) -> bool {
        matches!(self, Self::Refused | Self::RefusedUnlessHalfDone)
    }
}

/// Whom the layer may ask. Who is truthful looks at the ledger and knows nothing of what is still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nobody,
    Truthful,
    Unsure,
    Slow,
}

/// What the world does to one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It is handled and answered.
    Normal,
    /// A 429 before anything is looked at.
    Throttled,
    NotSent,
    LostBefore,
    LostAfter,
    GatewayBefore,
    GatewayAfter,
    /// The execution begins, its answer is lost, and it ends once the next attempt has been answered.
    Running,
    /// As `Running`, but it ends after the call.
    RunningOn,
    /// It is held up on its way, and arrives once the next attempt has been answered.
    HeldUp,
    /// As `HeldUp`, but it arrives after the call.
    HeldUpLong,
    /// The execution breaks before its effect.
    Broken,
    /// The execution breaks after its effect.
    BrokenLate,
    /// As `BrokenLate`, and the answer is lost.
    BrokenLateLost,
    /// It is executed and refused without an effect, and the answer is lost.
    DeclinedLost,
    /// A 401 before anything is looked at.
    Rejected,
    /// A 500 that says that the same key executes again.
    BrokenTransient,
    /// The execution loses a lock and has no effect.
    LostLock,
}

impl Act {
    const COMMON: [Self; 16] = [
        Self::Normal,
        Self::Throttled,
        Self::NotSent,
        Self::LostBefore,
        Self::LostAfter,
        Self::GatewayBefore,
        Self::GatewayAfter,
        Self::Running,
        Self::RunningOn,
        Self::HeldUp,
        Self::HeldUpLong,
        Self::Broken,
        Self::BrokenLate,
        Self::BrokenLateLost,
        Self::DeclinedLost,
        Self::Rejected,
    ];

    /// The outcome that is seen like this one and leaves the service like this one.
    fn twin(self, keys: Keys) -> Option<Self> {
        match self {
            Self::Throttled => Some(Self::NotSent),
            Self::GatewayBefore if keys != Keys::Signalled => Some(Self::LostBefore),
            Self::GatewayAfter if keys != Keys::Signalled => Some(Self::LostAfter),
            _ => None,
        }
    }

    fn of(story: Story) -> Vec<Self> {
        let mut acts = Self::COMMON.to_vec();
        match story.keys {
            Keys::Signalled => acts.push(Self::BrokenTransient),
            Keys::Poisoned => acts.push(Self::LostLock),
            _ => {}
        }
        acts
    }
}

/// What the layer sees of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Success,
    NotSent,
    Lost,
    Status { status: u16, message: &'static str, transient: bool, replayed: bool },
}

impl Seen {
    const fn status(status: u16, message: &'static str) -> Self {
        Self::Status { status, message, transient: false, replayed: false }
    }

    const CLASH: Self = Self::status(409, "still running");
    const EXISTS: Self = Self::status(409, "already exists");
    const UNUSABLE: Self = Self::status(400, "unusable key");

    /// Told apart from the code under test: whether behind this there may be an execution.
    fn may_have_executed(self) -> bool {
        match self {
            Self::Lost => true,
            Self::Status { status, message, .. } => status >= 500 || message == "still running",
            Self::Success | Self::NotSent => false,
        }
    }

    /// What is the same to the layer as this.
    fn merged(self, keys: Keys) -> Self {
        match self {
            Self::Status { status: 429, .. } => Self::NotSent,
            Self::Status { status: 504, .. } if keys != Keys::Signalled => Self::Lost,
            seen => seen,
        }
    }

    fn response(self) -> Option<Response> {
        let response = match self {
            Self::Lost | Self::NotSent => return None,
            Self::Success => http::Response::builder().url(URL.parse().unwrap()).body(String::new()).unwrap(),
            Self::Status { status, message, transient, replayed } => http::Response::builder()
                .url(URL.parse().unwrap())
                .status(status)
                .header("transient", transient.to_string())
                .header("replayed", replayed.to_string())
                .body(format!(r#"{{"message":"{message}"}}"#))
                .unwrap(),
        };
        Some(response.into())
    }
}

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Done,
    Broken { with_effect: bool },
    Transient,
    Declined,
    LostLock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Held {
    Nothing,
    Running {
        completes: bool,
    },
    /// The effect of a broken execution, to be completed.
    Half,
    Result(Seen),
}

/// An attempt whose client has given up while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    key: Option<usize>,
    claimed: bool,
    beyond_the_call: bool,
}

/// The service: what it holds under each key, in the order in which they came, and what took effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Model {
    held: Vec<Held>,
    applied: u32,
    guarded: bool,
    under_way: Vec<UnderWay>,
}

/// One way of handling keys, one kind of write, one whom to ask.
#[derive(Clone, Copy, Debug)]
struct Story {
    keys: Keys,
    repeat: Repeat,
    asked: Asked,
}

impl Story {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for keys in Keys::ALL {
            for repeat in Repeat::ALL {
                for asked in [Asked::Nobody, Asked::Truthful, Asked::Unsure, Asked::Slow] {
                    // A read has no key and is never asked about.
                    let is_new = repeat != Repeat::Nothing || (keys == Keys::None && asked == Asked::Nobody);
                    if is_new {
                        all.push(Self { keys, repeat, asked });
                    }
                }
            }
        }
        all
    }

    /// How many outcomes are played where `depth` are for most.
    fn depth(self, depth: usize) -> usize {
        let needs_verdict = matches!(self.repeat, Repeat::RefusedUnlessHalfDone | Repeat::Doubles);
        match self.asked {
            Asked::Nobody => depth,
            Asked::Truthful | Asked::Unsure if needs_verdict => depth,
            Asked::Truthful | Asked::Unsure | Asked::Slow => depth - 1,
        }
    }

    fn service(self, verifier: impl Verifier) -> Service {
        let policy = RetryPolicy::new().max_attempts(ATTEMPTS).retry_costs(0, 0);
        let service = Service::builder("model").base_url("https://model.test").idempotency(self.keys.description());
        let service = service.routes([self.repeat.route()]).retry(policy).build().unwrap();
        if self.asked == Asked::Nobody { service } else { service.verifier(verifier) }
    }
}

impl Model {
    fn new() -> Self {
        Self { held: Vec::new(), applied: 0, guarded: false, under_way: Vec::new() }
    }

    fn arrive(&mut self, story: Story, act: Act, key: Option<usize>) -> Seen {
        let due = self.under_way.iter().filter(|one| !one.beyond_the_call).count();
        let seen = match act {
            Act::Normal => self.handle(story, key, End::Done),
            Act::Throttled => Seen::status(429, "too many"),
            Act::NotSent => Seen::NotSent,
            Act::LostBefore => Seen::Lost,
            Act::LostAfter => self.unheard(story, key, End::Done, Seen::Lost),
            Act::GatewayBefore => Seen::status(504, "gateway"),
            Act::GatewayAfter => self.unheard(story, key, End::Done, Seen::status(504, "gateway")),
            Act::Running => self.go_on(story, key, true, false),
            Act::RunningOn => self.go_on(story, key, true, true),
            Act::HeldUp => self.go_on(story, key, false, false),
            Act::HeldUpLong => self.go_on(story, key, false, true),
            Act::Broken => self.handle(story, key, End::Broken { with_effect: false }),
            Act::BrokenLate => self.handle(story, key, End::Broken { with_effect: true }),
            Act::BrokenLateLost => self.unheard(story, key, End::Broken { with_effect: true }, Seen::Lost),
            Act::DeclinedLost => self.unheard(story, key, End::Declined, Seen::Lost),
            Act::Rejected => Seen::status(401, "who are you"),
            Act::BrokenTransient => self.handle(story, key, End::Transient),
            Act::LostLock => self.handle(story, key, End::LostLock),
        };
        for _ in 0..due {
            let place = self.under_way.iter().position(|one| !one.beyond_the_call).unwrap();
            self.land(story, place);
        }
        seen
    }

    fn unheard(&mut self, story: Story, key: Option<usize>, end: End, seen: Seen) -> Seen {
        self.handle(story, key, end);
        seen
    }

    fn go_on(&mut self, story: Story, key: Option<usize>, claimed: bool, beyond_the_call: bool) -> Seen {
        if !claimed || self.stored(story, key).is_none() {
            if let Some(key) = key.filter(|_| claimed) {
                self.held[key] = Held::Running { completes: self.held[key] == Held::Half };
            }
            self.under_way.push(UnderWay { key, claimed, beyond_the_call });
        }
        Seen::Lost
    }

    fn land(&mut self, story: Story, place: usize) {
        let UnderWay { key, claimed, .. } = self.under_way.remove(place);
        if let Some(key) = key.filter(|_| claimed) {
            let completes = self.held[key] == Held::Running { completes: true };
            self.held[key] = if completes { Held::Half } else { Held::Nothing };
        }
        self.handle(story, key, End::Done);
    }

    fn stored(&self, story: Story, key: Option<usize>) -> Option<Seen> {
        match self.held[key?] {
            Held::Nothing | Held::Half => None,
            Held::Running { .. } if story.keys == Keys::Signalled => {
                Some(Seen::Status { status: 409, message: "still running", transient: true, replayed: false })
            }
            Held::Running { .. } => Some(Seen::CLASH),
            Held::Result(Seen::Status { status, message, transient, .. }) => {
                Some(Seen::Status { status, message, transient, replayed: story.keys == Keys::ReplayAllMarked })
            }
            Held::Result(seen) => Some(seen),
        }
    }

    fn handle(&mut self, story: Story, key: Option<usize>, end: End) -> Seen {
        if let Some(seen) = self.stored(story, key) {
            return seen;
        }
        let half_done = key.is_some_and(|key| self.held[key] == Held::Half);
        if story.repeat.is_refused() && self.guarded && !half_done {
            return Seen::EXISTS;
        }
        if matches!(end, End::Done | End::Broken { with_effect: true }) && !half_done {
            self.take_effect(story.repeat);
        }
        if end == End::Done || story.repeat != Repeat::RefusedUnlessHalfDone {
            self.guarded |= self.applied > 0;
        }
        let seen = match end {
            End::Done => Seen::Success,
            End::Broken { .. } => Seen::status(500, "broken"),
            End::Transient => Seen::Status { status: 500, message: "broken", transient: true, replayed: false },
            End::Declined => Seen::status(402, "declined"),
            End::LostLock => Seen::status(409, "lost lock"),
        };
        if let Some(key) = key {
            self.held[key] = self.kept(story.keys, self.held[key], end, seen);
        }
        seen
    }

    fn take_effect(&mut self, repeat: Repeat) {
        match repeat {
            Repeat::Nothing => {}
            Repeat::SameState => self.applied = 1,
            Repeat::Recognised if self.guarded => {}
            Repeat::Recognised | Repeat::Refused | Repeat::RefusedUnlessHalfDone | Repeat::Doubles => self.applied += 1,
        }
    }

    /// What is held under a key after an execution.
    fn kept(&self, keys: Keys, before: Held, end: End, seen: Seen) -> Held {
        match (keys, end) {
            (Keys::ResourceKey, End::Done | End::Broken { with_effect: true }) => Held::Result(Seen::EXISTS),
            (Keys::ReplaySuccess, End::Broken { with_effect: true }) => Held::Half,
            (Keys::Poisoned, End::Broken { .. }) => Held::Result(Seen::UNUSABLE),
            (_, End::Done) => Held::Result(seen),
            (_, End::Transient) => before,
            (keys, _) if keys.stores_everything() => Held::Result(seen),
            _ => before,
        }
    }
}

/// What the layer has seen, under which of its keys, and the state of the service.
type State = (Vec<(Seen, Option<usize>)>, Model);

/// The transport and whom to ask: both have the model behind them.
#[derive(Clone)]
struct World {
    story: Story,
    faults: Faults,
    now: Arc<Mutex<Now>>,
}

/// A call in its course.
struct Now {
    script: Vec<Act>,
    keys: Vec<String>,
    model: Model,
    seen: Vec<(Seen, Option<usize>)>,
    states: Vec<State>,
}

#[derive(Clone)]
struct Faults {
    refused: Arc<reqwest::Error>,
    reset: Arc<reqwest::Error>,
}

/// A real error that happens many times.
#[derive(Debug)]
struct Again(Arc<reqwest::Error>);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it happened again")
    }
}

/// Its source is the error itself, and no pointer to it.
impl std::error::Error for Again {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl Faults {
    fn provoked() -> Self {
        let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let provoke = |fault| Arc::new(real.block_on(faults::provoke(fault)).with_url(URL.parse().unwrap()));
        Self { refused: provoke(Fault::ConnectRefused), reset: provoke(Fault::ResetBeforeResponse) }
    }
}

impl Now {
    fn new(script: &[Act]) -> Self {
        let (script, model) = (script.to_vec(), Model::new());
        Self { script, keys: Vec::new(), model, seen: Vec::new(), states: Vec::new() }
    }

    fn arrive(&mut self, story: Story, key: Option<String>) -> Seen {
        let key = key.map(|key| {
            self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                self.keys.push(key);
                self.model.held.push(Held::Nothing);
                self.keys.len() - 1
            })
        });
        let act = self.script.get(self.seen.len()).copied().unwrap_or(Act::Normal);
        let seen = self.model.arrive(story, act, key);
        self.seen.push((seen, key));
        let merged = self.seen.iter().map(|(seen, key)| (seen.merged(story.keys), *key));
        self.states.push((merged.collect(), self.model.clone()));
        seen
    }
}

#[async_trait]
impl Middleware for World {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let seen = self.now.lock().unwrap().arrive(self.story, key);
        let again = |error: &Arc<_>| reqwest_middleware::Error::middleware(Again(Arc::clone(error)));
        seen.response().ok_or_else(|| match seen {
            Seen::NotSent => again(&self.faults.refused),
            _ => again(&self.faults.reset),
        })
    }
}

#[async_trait]
impl Verifier for World {
    async fn verify(&self, doubt: &Doubt<'_>) -> Verdict {
        let applied = self.now.lock().unwrap().model.applied > 0;
        match self.story.asked {
            Asked::Slow => tokio::time::sleep(Duration::from_secs(11)).await,
            Asked::Unsure => return Verdict::Unknown,
            Asked::Nobody | Asked::Truthful => {}
        }
        if !applied {
            return Verdict::NotApplied;
        }
        Verdict::Applied((doubt.attempts().count() % 2 == 0).then(|| http::Response::new("found").into()))
    }
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Success,
    Failure(Stop, Applied),
}

struct Ended {
    told: Told,
    /// What the ledger says when the call ends, and when everything has arrived.
    applied: [u32; 2],
    seen: Vec<Seen>,
    keys: usize,
    states: Vec<State>,
}

impl World {
    fn client(&self) -> ClientWithMiddleware {
        let layer = SafeRetry::new([self.story.service(self.clone())]).clock(Pinned::at(0.0));
        ClientBuilder::new(unused()).with(layer).with(self.clone()).build()
    }

    async fn play(&self, client: &ClientWithMiddleware, script: &[Act]) -> Ended {
        *self.now.lock().unwrap() = Now::new(script);
        let told = match client.post(URL).body(r#"{"id":"1"}"#).send().await {
            Ok(_) => Told::Success,
            Err(error) => {
                let error = Error::find(&error).expect("the layer's error");
                Told::Failure(error.stop(), error.applied())
            }
        };
        let mut now = self.now.lock().unwrap();
        let at_the_end = now.model.applied;
        while !now.model.under_way.is_empty() {
            now.model.land(self.story, 0);
        }
        let seen = now.seen.iter().map(|(seen, _)| *seen).collect();
        let (applied, keys) = ([at_the_end, now.model.applied], now.keys.len());
        Ended { told, applied, seen, keys, states: std::mem::take(&mut now.states) }
    }
}

impl Ended {
    /// What is wrong with this end.
    fn breach(&self, repeat: Repeat) -> Option<String> {
        let [at_the_end, later] = self.applied;
        let may_have_executed = self.seen.iter().any(|seen| seen.may_have_executed());
        let is_true = match self.told {
            Told::Success | Told::Failure(_, Applied::Yes) if repeat != Repeat::Nothing => {
                at_the_end == 1 && later == 1
            }
            Told::Success => true,
            Told::Failure(_, Applied::Yes) => false,
            Told::Failure(_, Applied::No) => later == 0,
            Told::Failure(_, Applied::Unknown) => may_have_executed && repeat != Repeat::Nothing,
        };
        let (told, seen) = (self.told, &self.seen);
        (later > 1 || !is_true).then(|| format!("told {told:?}, applied {at_the_end} then {later}; seen {seen:?}"))
    }
}

/// How much was looked at, and what was found.
#[derive(Default)]
struct Found {
    sequences: u64,
    calls: u64,
    /// Calls that went on under a second key.
    rotations: u64,
    breaches: Vec<String>,
}

fn explore(story: Story, depth: usize, faults: &Faults) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World { story, faults: faults.clone(), now: Arc::new(Mutex::new(Now::new(&[]))) };
        let client = world.client();
        let acts = Act::of(story);
        let mut found = Found::default();
        let mut open: Vec<(Vec<Act>, u64)> = vec![(Vec::new(), 1)];
        for length in 1..=depth {
            let mut next: HashMap<State, (Vec<Act>, u64, Told)> = HashMap::new();
            for (past, times) in &open {
                for act in acts.iter().filter(|act| length < depth || act.twin(story.keys).is_none()) {
                    let script: Vec<Act> = past.iter().copied().chain([*act]).collect();
                    let mut ended = world.play(&client, &script).await;
                    found.calls += 1;
                    found.rotations += u64::from(ended.keys > 1);
                    let mut report = |what: &dyn Debug| found.breaches.push(format!("{story:?}, {script:?}: {what:?}"));
                    if let Some(breach) = ended.breach(story.repeat) {
                        report(&breach);
                    }
                    if ended.states.len() <= length || length == depth {
                        let twins = acts.iter().filter(|other| other.twin(story.keys) == Some(*act)).count() as u64;
                        let times = times * if length == depth { 1 + twins } else { 1 };
                        found.sequences += times * (acts.len() as u64).pow((depth - length) as u32);
                        continue;
                    }
                    let state = ended.states.swap_remove(length - 1);
                    let same = next.entry(state).or_insert_with(|| (script.clone(), 0, ended.told));
                    same.1 += times;
                    if same.2 != ended.told {
                        report(&format!("{:?} ends in {:?}, this in {:?}", same.0, same.2, ended.told));
                    }
                }
            }
            open = next.into_values().map(|(past, times, _)| (past, times)).collect();
        }
        assert_eq!(found.sequences, (acts.len() as u64).pow(depth as u32), "{story:?}: each sequence once");
        found
    })
}

#[test]
fn no_story_of_a_call_ends_in_a_double_a_loss_or_a_lie() {
    let depth = std::env::var("MODEL_DEPTH").map_or(4, |depth| depth.parse().expect("a number"));
    let (stories, faults) = (Story::all(), Faults::provoked());
    let (taken, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(story) = stories.get(taken.fetch_add(1, Ordering::Relaxed)) {
                    let one = explore(*story, story.depth(depth), &faults);
                    let mut all = found.lock().unwrap();
                    all.sequences += one.sequences;
                    all.calls += one.calls;
                    all.rotations += one.rotations;
                    // The first ones are the shortest.
                    all.breaches.extend(one.breaches.into_iter().take(3));
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let Found { sequences, calls, rotations, .. } = found;
    println!("{sequences} sequences in {} stories, by {calls} calls, {rotations} with a second key", stories.len());
    assert!(rotations > 0, "keys are rotated");
    assert!(found.breaches.is_empty(), "{}", found.breaches.join("\n"));
}
