//! Writes down what is traced on this thread.

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

/// Collects on the thread it was made on for as long as it lives.
pub struct Collector {
    notes: Notes,
    _collecting: DefaultGuard,
    /// Where one subscriber is all there is, an event that another thread is the first to meet is registered as one
    /// that nobody listens to. With two, all are asked.
    _second: Dispatch,
}

/// A span as it was made and recorded to.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: &'static str,
    pub level: Level,
    /// The index of the span it is within.
    pub parent: Option<usize>,
    pub fields: Vec<(&'static str, String)>,
    /// When nobody held it any more.
    pub closed: Option<Instant>,
    handles: usize,
}

/// An event, with the index of the span it occurred within.
#[derive(Clone, Debug)]
pub struct Occurred {
    pub level: Level,
    pub within: Option<usize>,
    pub fields: Vec<(&'static str, String)>,
}

#[derive(Default)]
struct Noted {
    text: String,
    spans: Vec<Span>,
    events: Vec<Occurred>,
    /// The spans that are entered, the innermost last.
    entered: Vec<usize>,
}

#[derive(Clone)]
struct Notes {
    target: &'static str,
    most: Level,
    noted: Arc<Mutex<Noted>>,
}

impl Collector {
    /// Of everything, at every level, whose target begins like this.
    pub fn of(target: &'static str) -> Self {
        Self::up_to(Level::TRACE, target)
    }

    /// Of what is not below this level.
    pub fn up_to(most: Level, target: &'static str) -> Self {
        let notes = Notes { target, most, noted: Arc::default() };
        let second = Dispatch::new(notes.clone());
        Self { notes: notes.clone(), _collecting: tracing::subscriber::set_default(notes), _second: second }
    }

    /// A line for each span (`span: name`), each event and each value (`field=value`).
    pub fn text(&self) -> String {
        self.notes.noted.lock().unwrap().text.clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.notes.noted.lock().unwrap().spans.clone()
    }

    pub fn events(&self) -> Vec<Occurred> {
        self.notes.noted.lock().unwrap().events.clone()
    }

    /// The names of the spans in the order in which they were made, each after those it is within: `call/attempt`.
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
    /// The value of a field, as it was recorded last.
    pub fn get(&self, field: &str) -> Option<&str> {
        value(&self.fields, field)
    }
}

impl Occurred {
    pub fn get(&self, field: &str) -> Option<&str> {
        value(&self.fields, field)
    }
}

fn value<'a>(fields: &'a [(&'static str, String)], wanted: &str) -> Option<&'a str> {
    fields.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
}

/// The values of one span or event, texts without quotes.
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

impl Noted {
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

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target) && *metadata.level() <= self.most
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut values = Values::default();
        attributes.record(&mut values);
        let mut noted = self.noted.lock().unwrap();
        let metadata = attributes.metadata();
        writeln!(noted.text, "span: {}", metadata.name()).unwrap();
        noted.write(&values);
        let parent = noted.within(attributes.parent(), attributes.is_contextual());
        let (name, level) = (metadata.name(), *metadata.level());
        noted.spans.push(Span { name, level, parent, fields: values.0, closed: None, handles: 1 });
        span::Id::from_u64(u64::try_from(noted.spans.len()).unwrap())
    }

    fn record(&self, id: &span::Id, record: &span::Record<'_>) {
        let mut values = Values::default();
        record.record(&mut values);
        let mut noted = self.noted.lock().unwrap();
        noted.write(&values);
        noted.span(id).fields.extend(values.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut values = Values::default();
        event.record(&mut values);
        let mut noted = self.noted.lock().unwrap();
        noted.write(&values);
        let within = noted.within(event.parent(), event.is_contextual());
        noted.events.push(Occurred { level: *event.metadata().level(), within, fields: values.0 });
    }

    fn enter(&self, id: &span::Id) {
        self.noted.lock().unwrap().entered.push(index(id));
    }

    fn exit(&self, id: &span::Id) {
        let mut noted = self.noted.lock().unwrap();
        let last = noted.entered.iter().rposition(|entered| *entered == index(id)).expect("a span that was entered");
        noted.entered.remove(last);
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        self.noted.lock().unwrap().span(id).handles += 1;
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut noted = self.noted.lock().unwrap();
        let span = noted.span(&id);
        span.handles -= 1;
        let closed = span.handles == 0;
        span.closed = closed.then(Instant::now);
        closed
    }
}
