//! The retry budget of a service, and its concurrency limit: the queue, and a separate limit per limit key.

mod adaptive;
pub(crate) mod arrival;
pub(crate) mod budget;
mod closed;
pub(crate) mod concurrency_limit;
mod control;
#[cfg(test)]
mod control_tests;
#[cfg(test)]
mod crowd_tests;
mod cycle;
pub(crate) mod feedback;
pub(crate) mod fleet;
mod fleet_state;
#[cfg(test)]
mod fleet_tests;
mod gate;
pub(crate) mod held;
#[cfg(test)]
mod histories;
pub(crate) mod hosts;
pub(crate) mod in_memory;
pub(crate) mod limiter;
pub(crate) mod limiters;
mod member;
mod opening;
mod pace;
pub(crate) mod permit;
#[cfg(test)]
mod queue_tests;
mod round_trip;
pub(crate) mod shared_limit;
mod state;
#[cfg(test)]
mod test_calls;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod traces;
