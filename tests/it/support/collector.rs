//! Writes down what is traced on this thread.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Collects on the thread it was made on for as long as it lives.
pub struct Collector {
    text: Arc<Mutex<String>>,
    _collecting: DefaultGuard,
    /// Where one subscriber is all there is, an event that another thread is the first to meet is registered as one
    /// that nobody listens to. With two, all are asked.
    _second: Dispatch,
}

#[derive(Clone)]
struct Notes {
    target: &'static str,
    text: Arc<Mutex<String>>,
}

impl Collector {
    /// Of everything, at every level, whose target begins like this.
    pub fn of(target: &'static str) -> Self {
        let notes = Notes { target, text: Arc::default() };
        let (text, second) = (Arc::clone(&notes.text), Dispatch::new(notes.clone()));
        Self { text, _collecting: tracing::subscriber::set_default(notes), _second: second }
    }

    /// A line for each span (`span: name`), each event and each value (`field=value`).
    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }
}

impl Visit for Notes {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.text.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target)
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        writeln!(self.text.lock().unwrap(), "span: {}", attributes.metadata().name()).unwrap();
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
