//! Executes an operation on the state of the account.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::json;

use crate::call::Call;
use crate::operation::{Act, Answer, Prepared};
use crate::reply::{Outcome, Reply};
use crate::state::State;

/// Executes a call, at this time.
pub(crate) fn execute(state: &mut State, prepared: &Prepared, time: SystemTime) -> Reply {
    let call = &prepared.call;
    state.set_time(time);
    let outcome = state.admit(call).and_then(|()| match prepared.operation.act {
        Act::Create(kind) => state.create(call, kind),
        Act::Update(kind, field) => state.update(call, kind, field),
        Act::Archive(kind, field) => state.archive(call, kind, field),
        Act::Record(answer) => Ok(record(state, call, answer)),
        Act::Write(write) => write(state, call),
        Act::Get(..) | Act::List(_) | Act::Read(_) | Act::ReadList(_) | Act::Empty(_) => look_up(state, prepared),
    });
    outcome.unwrap_or_else(|rejection| rejection)
}

/// Executes a read.
pub(crate) fn read(state: &State, prepared: &Prepared) -> Reply {
    state.admit(&prepared.call).and_then(|()| look_up(state, prepared)).unwrap_or_else(|rejection| rejection)
}

fn look_up(state: &State, prepared: &Prepared) -> Outcome {
    let call = &prepared.call;
    match prepared.operation.act {
        Act::Get(kind, field) => state.get(call, kind, field),
        Act::List(kind) => state.list(call, kind),
        Act::Read(read) | Act::ReadList(read) => read(state, call),
        Act::Empty(cursor) => Ok(Reply::ok(json!({ "data": [], (cursor): null }))),
        Act::Create(_) | Act::Update(..) | Act::Archive(..) | Act::Record(_) | Act::Write(_) => {
            Err(call.rejection(StatusCode::METHOD_NOT_ALLOWED, "Not a read"))
        }
    }
}

fn record(state: &mut State, call: &Call, answer: Answer) -> Reply {
    let id = state.record_new(call);
    match answer {
        Answer::Nothing => Reply::empty(),
        Answer::Object => Reply::ok(json!({})),
        Answer::Same(field) => Reply::data(json!({ "id": call.text(field) })),
        Answer::Id => Reply::data(json!({ "id": id })),
    }
}
