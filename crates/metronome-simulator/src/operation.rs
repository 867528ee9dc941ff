//! An operation of the API, as data. The operations are in `operations.rs`.

use crate::call::Call;
use crate::reply::Outcome;
use crate::route::Route;
use crate::state::{Kind, State};

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) route: Route,
    pub(crate) act: Act,
}

/// A valid request, ready to execute.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) operation: &'static Operation,
    pub(crate) call: Call,
}

/// What an operation does. A field is the one that has the id of the object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Creates an object and returns its id.
    Create(&'static Kind),
    /// Changes the fields of an object that the request has, and returns its id.
    Update(&'static Kind, &'static str),
    /// Archives an object, which can be done once, and returns its id.
    Archive(&'static Kind, &'static str),
    Get(&'static Kind, &'static str),
    /// Lists the objects of the customer that the request names, or all.
    List(&'static Kind),
    /// Is recorded. No read shows it.
    Record(Answer),
    Write(fn(&mut State, &Call) -> Outcome),
    Read(fn(&State, &Call) -> Outcome),
    /// Reads a list, which can be behind.
    ReadList(fn(&State, &Call) -> Outcome),
    /// A list of what the simulator has none of. The field has the cursor.
    Empty(&'static str),
}

/// The response to a write that is only recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Nothing,
    /// `{}`
    Object,
    /// The id in this field of the request.
    Same(&'static str),
    /// A new id.
    Id,
}

impl Operation {
    /// Whether the operation changes anything.
    pub(crate) fn is_write(&self) -> bool {
        match self.act {
            Act::Create(_) | Act::Update(..) | Act::Archive(..) | Act::Record(_) | Act::Write(_) => true,
            Act::Get(..) | Act::List(_) | Act::Read(_) | Act::ReadList(_) | Act::Empty(_) => false,
        }
    }

    /// Whether the operation reads a list, which can be behind.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.act, Act::List(_) | Act::ReadList(_))
    }
}
