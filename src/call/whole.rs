//! Reading the body of a response before the call returns it.

use std::{
    future::{Future, ready},
    pin::Pin,
};

use super::{call::Call, send::Arrived};
use crate::{
    decide::{class::is_error, effect::Effect},
    time,
    wire::whole,
};

impl Call<'_> {
    /// Whether a response is returned with its body in memory: only if it can be asked for again. It does not look at the
    /// response, for which the call would then need room once more.
    pub(crate) fn needs_whole(&self) -> bool {
        self.plan.effect == Effect::Read && self.plan.policy().buffer_responses > 0
    }

    /// Reads the body of a successful response. If it breaks off, or does not end by the deadline, no response has arrived.
    pub(crate) fn read_whole(&self, arrived: Arrived) -> Pin<Box<dyn Future<Output = Arrived> + Send>> {
        let (most, deadline) = (self.plan.policy().buffer_responses, self.deadline());
        match arrived {
            Some(Ok(response)) if !is_error(response.status()) => {
                Box::pin(time::before(deadline, Box::pin(whole::read(response, most))))
            }
            arrived => Box::pin(ready(arrived)),
        }
    }
}
