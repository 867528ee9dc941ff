//! What no operation can create, and every account has.

use super::data::{Object, State};
use super::kinds::{CREDIT_TYPE, PLAN};
use super::plans::plan;
use super::shapes::{USD, usd};

impl Default for State {
    /// An account with a currency and a plan.
    fn default() -> Self {
        let mut state = Self::empty();
        state.insert(&CREDIT_TYPE, USD, Object::new(usd(), ""));
        let plan = plan();
        let id = plan["id"].as_str().unwrap_or_default().to_owned();
        state.insert(&PLAN, &id, Object::new(plan, ""));
        state
    }
}
