//! Collects spans and events of this thread.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use tokio::time::Instant;
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Collects on its thread until it is dropped.
pub struct Collector {
    recorder: Recorder,
    _collecting: DefaultGuard,
    /// With a single subscriber, a callsite first reached by another thread would be cached as disabled. A second one
    /// prevents that.
    _second: Dispatch,
}

/// A span with its recorded fields.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: &'static str,
    pub level: Level,
    /// The index of the enclosing span.
    pub parent: Option<usize>,
    pub fields: Vec<(&'static str, String)>,
    /// When the last handle was dropped.
    pub closed: Option<Instant>,
    handles: usize,
}

/// An event, with the index of its span.
#[derive(Clone, Debug)]
pub struct EventRecord {
    pub level: Level,
    pub within: Option<usize>,
    pub fields: Vec<(&'static str, String)>,
}

#[derive(Default)]
struct Recorded {
    text: String,
    spans: Vec<Span>,
    events: Vec<EventRecord>,
    /// The entered spans, the innermost last.
    entered: Vec<usize>,
}

#[derive(Clone)]
struct Recorder {
    target: &'static str,
    max_level: Level,
    recorded: Arc<Mutex<Recorded>>,
}

impl Collector {
    /// Collects every level of targets with this prefix.
    pub fn of(target: &'static str) -> Self {
        Self::up_to(Level::TRACE, target)
    }

    /// Collects up to this level of targets with this prefix.
    pub fn up_to(max_level: Level, target: &'static str) -> Self {
        let recorder = Recorder { target, max_level, recorded: Arc::default() };
        let second = Dispatch::new(recorder.clone());
        Self { recorder: recorder.clone(), _collecting: tracing::subscriber::set_default(recorder), _second: second }
    }

    /// A line for each span (`span: name`), each event and each value (`field=value`).
    pub fn text(&self) -> String {
        self.recorder.recorded.lock().unwrap().text.clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.recorder.recorded.lock().unwrap().spans.clone()
    }

    pub fn events(&self) -> Vec<EventRecord> {
        self.recorder.recorded.lock().unwrap().events.clone()
    }

    /// The spans in the order of their creation, each with the names of its parents: `call/attempt`.
    pub fn paths(&self) -> Vec<String> {
        let spans = self.spans();
        let path = |mut at: usize| {
            let mut path = spans[at].name.to_owned();
            while let Some(parent) = spans[at].parent {
                path.insert_str(0, &format!("{}/", spans[parent].name));
                at = parent;
            }
            path
        };
        (0..spans.len()).map(path).collect()
    }
}

impl Span {
    /// The last recorded value of a field.
    pub fn get(&self, field: &str) -> Option<&str> {
        value(&self.fields, field)
    }
}

impl EventRecord {
    pub fn get(&self, field: &str) -> Option<&str> {
        value(&self.fields, field)
    }
}

fn value<'a>(fields: &'a [(&'static str, String)], wanted: &str) -> Option<&'a str> {
    fields.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
}

/// The values of one span or event; strings without quotes.
#[derive(Default)]
struct Values(Vec<(&'static str, String)>);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

impl Recorded {
    fn write(&mut self, values: &Values) {
        for (name, value) in &values.0 {
            writeln!(self.text, "{name}={value}").unwrap();
        }
    }

    fn span(&mut self, id: &span::Id) -> &mut Span {
        &mut self.spans[index(id)]
    }

    fn within(&self, explicit: Option<&span::Id>, contextual: bool) -> Option<usize> {
        if contextual { self.entered.last().copied() } else { explicit.map(index) }
    }
}

fn index(id: &span::Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target) && *metadata.level() <= self.max_level
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut values = Values::default();
        attributes.record(&mut values);
        let mut recorded = self.recorded.lock().unwrap();
        let metadata = attributes.metadata();
        writeln!(recorded.text, "span: {}", metadata.name()).unwrap();
        recorded.write(&values);
        let parent = recorded.within(attributes.parent(), attributes.is_contextual());
        let (name, level) = (metadata.name(), *metadata.level());
        recorded.spans.push(Span { name, level, parent, fields: values.0, closed: None, handles: 1 });
        span::Id::from_u64(u64::try_from(recorded.spans.len()).unwrap())
    }

    fn record(&self, id: &span::Id, record: &span::Record<'_>) {
        let mut values = Values::default();
        record.record(&mut values);
        let mut recorded = self.recorded.lock().unwrap();
        recorded.write(&values);
        recorded.span(id).fields.extend(values.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut values = Values::default();
        event.record(&mut values);
        let mut recorded = self.recorded.lock().unwrap();
        recorded.write(&values);
        let within = recorded.within(event.parent(), event.is_contextual());
        recorded.events.push(EventRecord { level: *event.metadata().level(), within, fields: values.0 });
    }

    fn enter(&self, id: &span::Id) {
        self.recorded.lock().unwrap().entered.push(index(id));
    }

    fn exit(&self, id: &span::Id) {
        let mut recorded = self.recorded.lock().unwrap();
        let last = recorded.entered.iter().rposition(|entered| *entered == index(id)).expect("a span that was entered");
        recorded.entered.remove(last);
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        self.recorded.lock().unwrap().span(id).handles += 1;
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut recorded = self.recorded.lock().unwrap();
        let span = recorded.span(&id);
        span.handles -= 1;
        let closed = span.handles == 0;
        span.closed = closed.then(Instant::now);
        closed
    }
}
