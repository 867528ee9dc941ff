//! Reading the body of a response before the call returns it.

use std::{future::Future, pin::Pin};

use reqwest::Response;

use super::{call::Call, send::Arrived};
use crate::{
    decide::{class::is_error, effect::Effect},
    time,
    wire::whole,
};

/// The result of an attempt, once the body of its response was read.
type Reading = Pin<Box<dyn Future<Output = Arrived> + Send>>;

impl Call<'_> {
    /// The result of an attempt, if nothing of its body is to be read before the call returns it. Otherwise what reads it: if
    /// it breaks off, or does not end by the deadline, no response has arrived.
    #[inline(always)]
    pub(crate) fn when_whole(&self, arrived: Arrived) -> Result<Arrived, Reading> {
        match arrived {
            Some(Ok(response)) if self.needs_whole(&response) => Err(self.read_whole(response)),
            arrived => Ok(arrived),
        }
    }

    /// Only what can be asked for again.
    fn needs_whole(&self, response: &Response) -> bool {
        self.plan.policy().buffer_responses > 0 && self.plan.effect == Effect::Read && !is_error(response.status())
    }

    fn read_whole(&self, response: Response) -> Reading {
        let (most, deadline) = (self.plan.policy().buffer_responses, self.deadline());
        Box::pin(async move { time::before(deadline, Box::pin(whole::read(response, most))).await })
    }
}
